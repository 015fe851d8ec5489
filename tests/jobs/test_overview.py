"""What the line looks like in the moment in which a job is taken from it."""

import threading
from concurrent.futures import ThreadPoolExecutor, wait

from tests.jobs.fakes import Puppet, request
from webui.jobs.line import JobLine
from webui.jobs.log import Log
from webui.jobs.store import Store


class Slow(Store):
    """Takes a job from the line, and its time to say so."""

    def __init__(self, path):
        super().__init__(path)
        self.taken, self.said = threading.Event(), threading.Event()

    def claim(self, now):
        job = super().claim(now)
        if job is not None:
            self.taken.set()
            self.said.wait(10)
        return job


def test_a_job_waits_or_runs_in_every_moment(tmp_path):
    store, puppet = Slow(tmp_path / "jobs.sqlite"), Puppet()
    line = JobLine(store, Log(), puppet.workshop())
    try:
        job = line.submit(request())
        assert store.taken.wait(10)
        with ThreadPoolExecutor(1) as other:
            asked = other.submit(line.overview)
            wait([asked], timeout=0.5)  # seconds that it has to answer wrongly
            store.said.set()
            seen = asked.result(10)
        assert seen.running is not None
        assert (seen.total, seen.running.id) == (0, job.id)
    finally:
        store.said.set()
        puppet.order("finish")
        line.close()
        store.close()
