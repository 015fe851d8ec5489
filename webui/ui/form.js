/* The form, as far as the browser is concerned: its draft, its errors, the last seed. */
"use strict";
(() => {
  const DRAFT = "darkroom.draft.";
  const FIRST = "txt2img"; // the tab that one sees first
  const TAB = "darkroom.tab"; // the one that was open last, in this browser tab
  const { owner, reads, keeps } = darkroom;

  // The owner is the last input: Gradio sorts a set of inputs by the order of their making.
  darkroom.withOwner = (sent) => {
    sent[sent.length - 1] = owner;
    pressed();
    return sent;
  };

  // --- a press that nobody answers ----------------------------------------------------------------
  const LATE = 12_000; // ms
  let presses = 0; // without an answer yet
  const late = darkroom.timer(() => {
    presses = 0;
    darkroom.complain({ text: "The server has not answered. If the queue does not show the job, press Generate again." });
  });

  /* Gradio forgets a press that it could not send: it says that the connection is lost, and no more. */
  function pressed() {
    presses += 1;
    late.start(LATE);
    if (!darkroom.unreachable?.()) return;
    presses = 0;
    late.stop();
    darkroom.complain({ text: "The server does not answer, so nothing was queued. Press Generate again once it is back." });
  }

  document.addEventListener("click", (event) => {
    const tab = event.target.closest?.('#tabs button[role="tab"]')?.dataset.tabId;
    if (tab) keeps(sessionStorage, TAB, tab);
  });

  // --- the draft ----------------------------------------------------------------------------------
  const loaded = new Set();
  const values = {}; // tab -> field -> what stands in the form

  darkroom.formValues = (tab) => values[tab] ?? {};

  function stands(tab, names, all) {
    values[tab] = Object.fromEntries(names.map((name, i) => [name, all[i]]));
    document.dispatchEvent(new CustomEvent("darkroom:form", { detail: tab }));
  }

  /* `shared` are those of the names that stand above the tabs: their draft is the page's. */
  darkroom.loadDraft = (tab, names, shared, built) => {
    loaded.add(tab);
    const { dataset } = document.documentElement;
    dataset.drafts = [...loaded].join(" "); // markers: from here on nothing in these tabs is overwritten
    if (tab === FIRST) {
      dataset.draft = "ready";
      setTimeout(() => darkroom.openTab(reads(sessionStorage, TAB) ?? FIRST), 0);
    }
    const own = kept(tab), page = kept("page");
    const filled = names.map((name, i) => {
      const value = (shared.includes(name) ? page : own)[name];
      return value !== undefined && value !== null && (built[i] === null || typeof value === typeof built[i]) ? value : built[i];
    });
    stands(tab, names, filled);
    return filled;
  };

  /* A broken draft is none. */
  function kept(name) {
    try { return JSON.parse(reads(localStorage, DRAFT + name)) || {}; } catch { return {}; }
  }

  darkroom.saveDraft = (tab, names, shared, all) => {
    if (!loaded.has(tab)) return; // the defaults of a page that is still being built are no draft
    stands(tab, names, all);
    const of = (both) => JSON.stringify(Object.fromEntries(Object.entries(values[tab]).filter(([name]) => shared.includes(name) === both)));
    keeps(localStorage, DRAFT + tab, of(false));
    keeps(localStorage, DRAFT + "page", of(true));
  };

  // --- what is wrong, beside the button that was pressed ------------------------------------------
  const notices = {}; // tab -> {box, fields: name -> {label, element}}
  const visible = (element) => Boolean(element?.getClientRects().length);

  /* The generating tab that one sees; null while another one is open. Tabs are built when first opened. */
  darkroom.tab = () => Object.keys(notices).find((tab) => visible(notices[tab].box.closest(".tabitem"))) ?? null;

  /* How a field is shown in a tab, by default the one that one sees; or in any that has it. */
  darkroom.fieldOf = (name, tab = darkroom.tab()) =>
    notices[tab]?.fields[name] ?? Object.values(notices).find(({ fields }) => fields[name])?.fields[name] ?? null;

  darkroom.notice = (element, tab, props, watch) => {
    notices[tab] = { box: element.querySelector(".dk-notice"), fields: props.fields };
    watch("answer", () => answered(tab, props.answer));
  };

  function answered(tab, answer) {
    if (!answer) return;
    presses -= 1;
    if (presses < 1) { presses = 0; late.stop(); }
    darkroom.clearComplaint();
    const jobs = answer.jobs?.filter(({ job }) => job) ?? [];
    if (answer.error) darkroom.complain(answer.error, tab);
    else if (!answer.jobs) darkroom.follow(answer.job);
    else if (!document.dispatchEvent(new CustomEvent("darkroom:hang", { cancelable: true, detail: { jobs, tab } }))) {
      darkroom.follow(jobs[0].job); // an extension shows them in its own way
    } else darkroom.hangFiles(answer.jobs, answer.kind);
    const job = answer.job ?? jobs.at(-1)?.job;
    document.dispatchEvent(new CustomEvent("darkroom:answered", { detail: { ...answer, job, tab } }));
  }

  /* Shows a sentence beside a tab's Generate and marks the field that is to blame, if there is one. */
  darkroom.complain = ({ text, label = "", element = "", inside = "" }, tab = darkroom.tab()) => {
    const noticeBox = notices[tab]?.box;
    if (!noticeBox) return; // never opened: the live view says it too
    noticeBox.replaceChildren();
    if (label) noticeBox.append(Object.assign(document.createElement("strong"), { textContent: label }), " ");
    noticeBox.append(text, closing());
    noticeBox.hidden = false;
    const field = element && (document.getElementById(element) ?? document.getElementById(element.replace(`${tab}_`, "setting_"))); // above the tabs
    if (inside && field?.closest(`#${inside}`)) darkroom.turnFold(inside, true);
    if (field) mark(field, text, noticeBox);
  };

  darkroom.clearComplaint = () => {
    document.querySelectorAll(".dk-wrong").forEach(unmark);
    for (const { box } of Object.values(notices)) box.hidden = true;
  };

  // A complaint is about the form as it was sent: whatever is changed in it takes it back.
  document.addEventListener("input", (event) => { if (event.target.closest(".dk-field")) darkroom.clearComplaint(); });
  document.addEventListener("pointerdown", (event) => { // a menu closes, and is gone, before the pointer is up
    if (event.target.closest(".dk-wrong, .dk-field .options")) darkroom.clearComplaint();
  }, true);

  function closing() {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "dk-notice-close", textContent: "\u00d7" });
    button.setAttribute("aria-label", "Close this message");
    button.addEventListener("click", darkroom.clearComplaint);
    return button;
  }

  function mark(field, text, noticeBox) {
    field.classList.add("dk-wrong");
    const message = document.createElement("p");
    message.className = "dk-wrong-text";
    message.id = field.id + "_problem";
    message.textContent = text.charAt(0).toUpperCase() + text.slice(1);
    field.append(message);
    for (const input of field.querySelectorAll("input, textarea")) {
      input.setAttribute("aria-invalid", "true");
      input.setAttribute("aria-describedby", message.id);
    }
    const box = field.getBoundingClientRect();
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const bar = noticeBox.closest(".dk-go").getBoundingClientRect(); // lies over the form
    const covered = box.top < bar.bottom && box.bottom > bar.top;
    if (box.top < 0 || box.bottom > innerHeight || covered) {
      field.scrollIntoView({ block: "center", behavior: still ? "auto" : "smooth" });
    }
  }

  function unmark(field) {
    field.classList.remove("dk-wrong");
    field.querySelectorAll(".dk-wrong-text").forEach((message) => message.remove());
    for (const input of field.querySelectorAll("[aria-invalid]")) {
      input.removeAttribute("aria-invalid");
      input.removeAttribute("aria-describedby");
    }
  }

  // --- where the help of the field in hand stands: past the form's right edge ------------------------
  document.addEventListener("focusin", ({ target }) => {
    const field = target.closest?.("#bench .dk-field");
    if (!field) return;
    const past = field.closest("#bench").getBoundingClientRect().right - field.getBoundingClientRect().left;
    document.documentElement.style.setProperty("--dk-aside", `${Math.round(past + 8)}px`);
  });

  // --- settings that not every sampler or schedule has --------------------------------------------
  darkroom.fitOptions = (tab, table, [sampler, schedule, own, ...chosen]) => {
    const known = table.samplers[sampler] ?? { lacks: [], menus: [], automatic: [] };
    const levels = schedule === "Automatic" ? known.automatic : table.schedules[schedule] ?? [];
    const hidden = [...known.lacks, ...(own?.trim() ? table.own : levels)];
    const rule = hidden.map((id) => `#${CSS.escape(id)}`).join();
    darkroom.clearComplaint(); // what it was about may be hidden now
    hiding(tab).textContent = rule && `${rule} { display: none !important; }`;
    return chosen.map((value, i) => menu(value, known.menus[i] ?? []));
  };

  // A style of its own: Gradio would take back what is written on its elements.
  const styles = {};
  const hiding = (tab) => styles[tab] ??= document.head.appendChild(document.createElement("style"));

  function menu(value, offered) {
    if (!offered.length) return { __type__: "update" }; // hidden, and kept for the sampler that has it
    const choices = [[`${offered[0]} (default)`, ""], ...[...offered].sort().map((each) => [each, each])];
    return { __type__: "update", choices, value: offered.includes(value) ? value : "" };
  }

  // --- the seed to use again: of the picture that is looked at, else of the last run --------------
  let seed = null;
  darkroom.lastSeed = () => seed;
  darkroom.rememberSeed = (value) => { seed = value; };
})();
