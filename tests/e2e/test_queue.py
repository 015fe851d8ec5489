"""The queue panel, the ways to end a run and generating forever, as a person meets them."""

import json
import re
import signal
import urllib.request

import pytest

from tests.e2e.conftest import Server, free_port

LONG = 150  # steps; some seconds


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    """A server whose line these tests may pause and empty."""
    server = Server(tmp_path_factory.mktemp("line"), free_port())
    server.start()
    yield server
    assert server.stop() == 0


@pytest.fixture(autouse=True)
def afresh(line):
    """Nothing waits or runs from the test before."""
    post(line, "queue/clear")
    if running := line.get("api/v1/queue")["running"]:
        post(line, f"jobs/{running['id']}/cancel")
    line.wait(lambda: line.get("api/v1/queue")["running"] is None, 30)
    post(line, "queue/resume")


def post(server, path, **body):
    data = json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    asked = urllib.request.Request(f"{server.address}/api/v1/{path}", data, headers)
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return json.load(answer)


def stock(server, count, **request):
    """Ids of jobs that wait in a line that stands still."""
    post(server, "queue/pause")
    values = {"steps": 4, "guidance_scale": 4} | request
    return [
        post(server, "jobs", request={"prompt": f"number {n}", "seed": n} | values)["id"]
        for n in range(count)
    ]


def waiting(server):
    return [each["id"] for each in server.get("api/v1/queue?limit=500")["waiting"]]


def button(tab, job_id, verb):
    return tab.page.locator(f"#queue li[data-id='{job_id}'] [data-verb={verb}]")


def shown(tab, count):
    """Waits until so many are listed; their ids."""
    rows = tab.page.locator("#queue-waiting li")
    tab.page.wait_for_function(
        "count => document.querySelectorAll('#queue-waiting li').length === count", arg=count
    )
    return rows.evaluate_all("rows => rows.map((each) => each.dataset.id)")


def focused(tab):
    return tab.page.evaluate(
        "() => [document.activeElement.closest('li')?.dataset.id, document.activeElement.className]"
    )


# --- the order -----------------------------------------------------------------------------------


def test_jobs_are_moved_by_keys_by_buttons_and_by_hand(line, open_tab):
    a, b, c, d = stock(line, 4)
    tab = open_tab(line)
    assert shown(tab, 4) == [a, b, c, d]
    handle = tab.page.locator(f"li[data-id='{a}'] .dk-row-handle")
    handle.focus()
    handle.press("ArrowDown")
    handle.press("ArrowDown")
    line.wait(lambda: waiting(line) == [b, c, a, d], 10)
    tab.page.wait_for_function(
        "id => document.querySelectorAll('#queue-waiting li')[2].dataset.id === id", arg=a
    )
    assert focused(tab) == [a, "dk-row-handle"]
    button(tab, d, "up").click()
    line.wait(lambda: waiting(line) == [b, c, d, a], 10)
    tab.page.wait_for_function(
        "id => document.querySelectorAll('#queue-waiting li')[2].dataset.id === id", arg=d
    )
    assert focused(tab) == [d, "dk-row-icon"]
    start = handle.bounding_box()
    first = tab.page.locator(f"li[data-id='{b}']").bounding_box()
    tab.page.mouse.move(start["x"] + 8, start["y"] + 12)
    tab.page.mouse.down()
    tab.page.mouse.move(start["x"] + 8, first["y"] + 30, steps=4)
    tab.page.mouse.move(start["x"] + 8, first["y"] + 4, steps=4)
    tab.page.mouse.up()
    line.wait(lambda: waiting(line) == [a, b, c, d], 10)


def test_a_long_line_is_paged_and_jobs_move_between_the_pages(line, open_tab):
    ids = stock(line, 60)
    tab = open_tab(line)
    assert shown(tab, 50) == ids[:50]
    tab.page.click("#queue-next")
    assert shown(tab, 10) == ids[50:]
    assert tab.page.inner_text("#queue-where") == "51 to 60 of 60"
    button(tab, ids[50], "up").click()
    line.wait(lambda: waiting(line)[49:51] == [ids[50], ids[49]], 10)
    tab.page.click("#queue-previous")
    tab.page.wait_for_function(
        "id => document.querySelectorAll('#queue-waiting li')[49]?.dataset.id === id", arg=ids[50]
    )
    button(tab, ids[50], "down").click()
    line.wait(lambda: waiting(line) == ids, 10)


# --- changing what waits -------------------------------------------------------------------------


def test_a_waiting_job_is_edited_in_the_form_which_then_holds_what_it_held(line, open_tab):
    a, b = stock(line, 2, negative_prompt="blurred", width=64)
    tab = open_tab(line)
    tab.fill("txt2img_prompt", "my own draft")
    shown(tab, 2)
    button(tab, b, "more").click()
    button(tab, b, "edit").click()
    tab.page.wait_for_selector(".dk-editing:not([hidden])")
    assert tab.value("txt2img_prompt") == "number 1"
    assert (tab.value("txt2img_seed"), tab.value("txt2img_width")) == ("1", "64")
    tab.reload()  # which it survives
    tab.page.wait_for_selector(".dk-editing:not([hidden])")
    tab.page.wait_for_function("document.documentElement.dataset.draft === 'ready'")
    before = line.job(b)["request"]
    tab.fill("txt2img_prompt", "a better idea")
    tab.fill("txt2img_steps", 7)
    tab.page.click(".dk-editing >> text=Save to queue")
    tab.page.wait_for_selector(".dk-editing", state="hidden")
    assert line.job(b)["request"] == before | {"prompt": "a better idea", "steps": 7}
    assert waiting(line) == [a, b]
    tab.page.wait_for_function(
        "document.querySelector('#txt2img_prompt textarea').value === 'my own draft'"
    )


def test_an_edit_that_is_left_changes_nothing(line, open_tab):
    (a,) = stock(line, 1)
    tab = open_tab(line)
    tab.fill("txt2img_prompt", "my own draft")
    before = line.job(a)
    shown(tab, 1)
    button(tab, a, "more").click()
    button(tab, a, "edit").click()
    tab.page.wait_for_selector(".dk-editing:not([hidden])")
    tab.fill("txt2img_prompt", "never mind")
    tab.page.click(".dk-editing >> text=Leave it as it was")
    tab.page.wait_for_function(
        "document.querySelector('#txt2img_prompt textarea').value === 'my own draft'"
    )
    assert line.job(a) == before


def test_a_job_that_begins_while_it_is_edited_loses_nothing(line, open_tab):
    (a,) = stock(line, 1, steps=LONG)
    tab = open_tab(line)
    tab.fill("txt2img_prompt", "my own draft")
    shown(tab, 1)
    button(tab, a, "more").click()
    button(tab, a, "edit").click()
    tab.page.wait_for_selector(".dk-editing:not([hidden])")
    tab.fill("txt2img_prompt", "too late")
    post(line, "queue/resume")
    tab.page.get_by_text("has begun meanwhile").wait_for()
    assert tab.page.locator(".dk-editing >> text=Save to queue").count() == 0
    assert tab.value("txt2img_prompt") == "too late"
    assert line.job(a)["request"]["prompt"] == "number 0"
    tab.page.click(".dk-editing >> text=Back to my form")
    tab.page.wait_for_function(
        "document.querySelector('#txt2img_prompt textarea').value === 'my own draft'"
    )


def test_one_is_cancelled_and_stands_where_it_stood_when_that_is_taken_back(line, open_tab):
    a, b, c = stock(line, 3)
    tab = open_tab(line)
    shown(tab, 3)
    button(tab, b, "cancel").click()
    assert shown(tab, 2) == [a, c]
    assert line.job(b)["state"] == "cancelled"
    assert focused(tab) == [c, "dk-row-icon"]  # on to the next
    tab.page.click("#queue-done >> text=Undo")
    shown(tab, 3)
    line.wait(lambda: [waiting(line)[0], waiting(line)[2]] == [a, c], 10)
    again = line.job(waiting(line)[1])
    assert (again["retry_of"], again["request"]) == (b, line.job(b)["request"])


def test_all_but_the_running_one_are_cancelled_after_asking(line, open_tab):
    running = post(line, "jobs", request={"prompt": "cat", "steps": LONG, "images": 4})["id"]
    line.wait(lambda: line.job(running)["state"] == "running", 20)
    ids = [post(line, "jobs", request={"prompt": "cat", "seed": n})["id"] for n in range(3)]
    tab = open_tab(line)
    shown(tab, 3)
    tab.page.click("#queue-clear")
    tab.wait_for_step(running, 1)
    tab.page.keyboard.press("Escape")  # no; and it interrupts nothing
    assert tab.live.get_attribute("data-busy") != "stopping"
    assert waiting(line) == ids
    tab.page.click("#queue-clear")
    assert tab.page.inner_text("#queue-ask-yes") == "Cancel 3"
    tab.page.click("#queue-ask-yes")
    line.wait(lambda: waiting(line) == [], 10)
    assert {line.job(each)["state"] for each in ids} == {"cancelled"}
    assert line.job(running)["state"] == "running"


def test_a_pause_of_the_line_outlives_a_reload_and_a_held_job_lets_others_pass(line, open_tab):
    tab = open_tab(line)
    tab.page.click("#queue-pause")
    line.wait(lambda: line.get("api/v1/queue")["paused"], 10)
    a, b = (post(line, "jobs", request={"prompt": "x", "steps": 3})["id"] for _ in range(2))
    tab.reload()
    shown(tab, 2)
    button(tab, a, "more").click()
    button(tab, a, "hold").click()
    line.wait(lambda: line.job(a)["state"] == "paused", 10)
    assert tab.page.inner_text("#queue-pause") == "Resume"
    assert line.job(b)["state"] == "queued"
    tab.page.click("#queue-pause")
    assert line.finished(b)["state"] == "done"
    assert line.job(a)["state"] == "paused"


# --- ending a run --------------------------------------------------------------------------------


def start(tab, **values):
    defaults = {"txt2img_prompt": "red apple", "txt2img_steps": LONG, "txt2img_seed": 7}
    for element, value in (defaults | values).items():
        tab.fill(element, value)
    job_id = tab.generate()
    tab.wait_for_step(job_id, 3)
    return job_id


def test_stop_keeps_what_there_is_skip_goes_on_and_discard_keeps_nothing(line, open_tab):
    tab = open_tab(line)
    kept = start(tab)
    assert not tab.page.locator("#txt2img_skip").is_visible()  # there is but one picture
    tab.page.click("#txt2img_interrupt")
    job = line.finished(kept)
    assert (job["state"], [each["image"] for each in job["pictures"]]) == ("stopped", [0])

    skipped = start(tab, txt2img_batch_count=2)
    tab.page.wait_for_selector("#txt2img_skip", state="visible")
    tab.page.set_viewport_size({"width": 390, "height": 844})
    bar = [tab.page.locator(f"#txt2img_{each}").bounding_box() for each in ("generate", "discard")]
    assert bar[0]["width"] >= 80 and bar[1]["x"] + bar[1]["width"] <= 390  # all within reach
    tab.page.keyboard.press("Alt+Enter")
    job = line.finished(skipped)
    assert (job["state"], job["skipped"]) == ("done", [0])
    assert [each["image"] for each in job["pictures"]] == [1]

    thrown = start(tab, txt2img_batch_count=1)
    waits = post(line, "jobs", request={"prompt": "x", "steps": 3})["id"]
    tab.page.click("#txt2img_discard")
    job = line.finished(thrown)
    assert (job["state"], job["pictures"]) == ("cancelled", [])
    assert line.finished(waits)["state"] == "done"  # and never another job


# --- tabs ----------------------------------------------------------------------------------------


def test_two_tabs_show_their_own_run_and_can_open_the_others(line, open_tab):
    over = post(line, "jobs", request={"prompt": "x", "steps": 2})["id"]
    line.finished(over)
    one, other, idle = open_tab(line), open_tab(line), open_tab(line)
    idle.wait_for(over, "done")
    first = start(one, txt2img_batch_count=2)
    idle.wait_for(first, "running")  # it has started nothing of its own
    other.fill("txt2img_prompt", "ghost")
    other.fill("txt2img_steps", 5)
    second = other.generate()
    other.wait_for(second, "queued")
    assert "1 job ahead" in other.page.inner_text("#live-status")
    other.page.wait_for_function("document.title === '1 ahead · Darkroom'")
    row = one.page.locator(f"#queue-waiting li[data-id='{second}']")
    row.wait_for()
    assert "yours" not in row.inner_text()
    assert one.live.get_attribute("data-job") == first
    other.page.locator(f"#queue-running li[data-id='{first}'] .dk-row-look").click()
    other.wait_for(first, "running")
    other.page.click("#txt2img_discard")  # what is shown
    one.wait_for(first, "cancelled")
    assert line.finished(second)["state"] == "done"
    assert one.live.get_attribute("data-job") == first  # never the other's as its own


# --- forever -------------------------------------------------------------------------------------


def test_generate_forever_queues_the_next_when_the_last_begins_until_it_is_ended(line, open_tab):
    tab = open_tab(line)
    tab.fill("txt2img_prompt", "ghost")
    tab.fill("txt2img_steps", 8)
    known = {job["id"] for job in line.jobs()}

    def mine():
        return [job for job in line.jobs() if job["id"] not in known]

    tab.page.click("#txt2img_generate", button="right")
    tab.page.click("role=menuitem[name='Generate forever']")
    assert tab.page.get_attribute("#txt2img_forever", "aria-pressed") == "true"
    most = []

    def three_done():
        jobs = mine()
        most.append(sum(job["state"] == "queued" for job in jobs))
        return sum(job["state"] == "done" for job in jobs) >= 3

    line.wait(three_done, 60)
    assert max(most) == 1
    tab.page.click(".dk-going >> text=End")
    assert tab.page.get_attribute("#txt2img_forever", "aria-pressed") == "false"
    line.wait(lambda: {job["state"] for job in mine()} == {"done"}, 60)
    count = len(mine())
    seeds = {job["request"]["seed"] for job in mine()}
    assert len(seeds) == count
    tab.page.wait_for_function(  # several answers later
        "() => new Promise((done) => { let n = 0;"
        " document.addEventListener('darkroom:news', () => { if (++n === 3) done(true); }); })"
    )
    assert len(mine()) == count


# As Chromium treats a tab that was hidden for minutes: its timers tick once in a while, nothing
# is painted.
HIDDEN = """(() => {
    const { setTimeout: later, requestAnimationFrame: frame } = window;
    const slow = 60_000;
    let hidden = false;
    window.setTimeout = (f, ms = 0, ...rest) => later(f, hidden ? Math.max(ms, slow) : ms, ...rest);
    window.requestAnimationFrame = (f) => hidden ? 0 : frame(f);
    Object.defineProperty(document, "hidden", { get: () => hidden });
    const state = { get: () => hidden ? "hidden" : "visible" };
    Object.defineProperty(document, "visibilityState", state);
    window.hide = () => {
        hidden = true;
        document.dispatchEvent(new Event("visibilitychange"));
    };
})()"""


def test_generate_forever_goes_on_in_a_hidden_tab(line, open_tab):
    tab = open_tab(line)
    tab.page.add_init_script(HIDDEN)
    tab.open()
    tab.fill("txt2img_prompt", "ghost")
    tab.fill("txt2img_steps", 4)
    tab.page.click("#txt2img_forever")
    tab.page.get_by_text(re.compile(r"[1-9]\d* runs? queued so far")).wait_for()
    tab.page.evaluate("hide()")
    known = {job["id"] for job in line.jobs()}
    line.wait(lambda: len({job["id"] for job in line.jobs()} - known) >= 4, 50)


def test_generate_forever_ends_where_the_form_is_refused(line, open_tab):
    tab = open_tab(line)
    tab.fill("txt2img_width", 65)
    tab.page.click("#txt2img_forever")
    tab.page.wait_for_selector(".dk-notice:not([hidden])")
    tab.page.wait_for_selector("#txt2img_forever[aria-pressed=false]")
    assert "the form was refused" in tab.page.inner_text(".dk-going")
    assert waiting(line) == []


# --- after the server died -----------------------------------------------------------------------


def test_a_job_that_a_killed_server_left_is_offered_and_goes_on_after_its_kept_step(
    own_server, open_tab
):
    tab = open_tab(own_server)
    job_id = start(tab)
    own_server.process.send_signal(signal.SIGKILL)
    own_server.process.wait(10)
    tab.page.wait_for_selector("#live[data-state=unreachable]")
    tab.page.click("#txt2img_generate")
    tab.page.get_by_text("The server does not answer, so nothing was queued.").wait_for()
    own_server.start()
    tab.problems.clear()  # Chromium says that the server did not answer
    offer = button(tab, job_id, "resume")
    offer.wait_for()
    step = int(offer.inner_text().removeprefix("Resume at step "))
    assert 3 <= step < LONG
    tab.problems.clear()
    offer.click()
    job = own_server.finished(job_id)
    assert (job["state"], len(job["pictures"]), job["attempts"]) == ("done", 1, 2)
    events = own_server.get(f"api/v1/live?job={job_id}")["events"]
    assert [(each["batch"], each["step"]) for each in events if each["type"] == "Resumed"] == [
        (0, step)
    ]
    tab.page.wait_for_selector("#queue-interrupted", state="hidden")
