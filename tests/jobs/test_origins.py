"""Which kept steps a branch still needs: of all that have not come to their end."""

from webui.jobs.origins import needed
from webui.jobs.store import Store
from webui.request import GenerationRequest, Resume


def branch(origin):
    resume = Resume(job=origin, batch=0, position=0, step=1, sha256="0" * 64)
    return GenerationRequest(model="m", prompt='a "resume"', seed=1, resume=resume)


def test_the_steps_that_waiting_running_and_interrupted_branches_go_on_from(tmp_path):
    store = Store(tmp_path / "jobs.sqlite")
    store.add("plain-job", "", GenerationRequest(model="m", prompt="resume", seed=1), 1.0, 99)
    assert needed(store.database) == set()
    store.finish("plain-job", "cancelled", 2.0)
    for name in ("one", "two", "three"):
        store.add(f"branch-{name}", "", branch(f"origin-{name}"), 1.0, 99)
    assert needed(store.database) == {"origin-one", "origin-two", "origin-three"}
    assert store.claim(2.0).id == "branch-one"
    store.hold("branch-two")
    assert needed(store.database) == {"origin-one", "origin-two", "origin-three"}
    store.finish("branch-one", "interrupted", 3.0)
    store.finish("branch-three", "cancelled", 3.0)
    assert needed(store.database) == {"origin-one", "origin-two"}
    store.resume("branch-one")
    assert store.claim(4.0).id == "branch-one"
    store.finish("branch-one", "done", 5.0)
    assert needed(store.database) == {"origin-two"}
    store.close()
