/* Get models: a look at what is to be had, an agreement, and the list of what comes.

   Every text here came from a hub or a server somewhere, and is never more than text. */
"use strict";
(() => {
  const { node, bytes, size } = darkroom;
  const OFTEN = 700, SELDOM = 15_000; // ms between two looks at the list
  const amount = (count) => bytes(count) && count >= 2 ** 20 ? bytes(count) : size(count);

  darkroom.downloads = (element) => {
    const find = (id) => element.querySelector(`#downloads-${id}`);
    const root = element.querySelector("#downloads");
    const draw = darkroom.downloadRows(find("list"), act);
    const timer = darkroom.timer(watch);
    const ended = new Set(); // of which it is known that they are there
    let seen = null, looked = 0, typed = {}; // `typed`: what the person chose besides the source
    let begun = false;

    // --- the list ---------------------------------------------------------------------------------
    async function watch() {
      const { status, said } = await darkroom.ask("api/v1/downloads");
      const open = status === 200 && said.downloads.some(({ state }) => state === "waiting" || state === "running");
      if (status === 200) listed(said);
      if (element.isConnected) timer.start(open ? OFTEN : SELDOM);
    }

    function listed({ allowed, reason, kinds, downloads }) {
      find("forbidden").hidden = allowed;
      find("forbidden").textContent = allowed ? "" : darkroom.sentence(reason);
      for (const part of ["ask", "lead"]) find(part).hidden = !allowed;
      if (!find("kind").children.length) {
        for (const { kind, label, folder } of kinds) find("kind").append(Object.assign(node("option", "", label), { value: kind, title: `${folder}/` }));
      }
      draw(downloads);
      const arrived = downloads.filter(({ id, state }) => state === "done" && !ended.has(id));
      for (const { id } of arrived) ended.add(id);
      // so that the menu above has it; what was there when the page came is in the menu already
      if (begun && arrived.some(({ kind }) => kind === "checkpoint")) document.querySelector("#refresh_sd_model_checkpoint")?.click();
      if (begun && arrived.length) root.dispatchEvent(new CustomEvent("darkroom:arrived", { bubbles: true, detail: arrived }));
      begun = true;
    }

    async function act(verb, id) {
      try {
        await darkroom.send(verb === "remove" ? "DELETE" : "POST", `api/v1/downloads/${id}${verb === "remove" ? "" : `/${verb}`}`);
        complain("");
      } catch (error) {
        complain(error.message);
      }
      watch();
    }

    // --- the look ---------------------------------------------------------------------------------
    const complain = (text) => {
      find("problem").textContent = text;
      find("problem").hidden = !text;
    };

    function busy(yes, text = "Look") {
      root.dataset.state = yes ? "looking" : seen ? "seen" : "empty";
      find("look").disabled = yes;
      find("look").textContent = text;
      find("seen").inert = yes;
      find("seen").setAttribute("aria-busy", String(yes));
    }

    async function look() {
      const mine = (looked += 1);
      complain("");
      busy(true, "Looking…");
      try {
        const found = await darkroom.send("POST", "api/v1/downloads/looks", { source: find("source").value, ...typed });
        if (mine !== looked) return;
        seen = found;
        show();
      } catch (error) {
        if (mine !== looked) return;
        complain(error.message);
        if (!seen) find("seen").hidden = true;
      }
      busy(false);
    }

    function choose(change) {
      typed = { ...typed, ...change };
      return look();
    }

    function dismiss() {
      looked += 1;
      [seen, typed] = [null, {}];
      find("seen").hidden = true;
      find("sha256").value = "";
      complain("");
      busy(false);
    }

    function show() {
      const { source, page, choices, warnings, problems, refused, hub } = seen;
      find("seen").hidden = false;
      find("name").textContent = source;
      find("page").hidden = !page;
      if (page) find("page").href = page;
      find("choices").hidden = choices.length < 2;
      find("choice-list").replaceChildren(...choices.map(choiceRow));
      facts();
      const chosen = Boolean(seen.choice);
      find("fields").hidden = !chosen;
      find("hash-row").hidden = hub;
      find("kind").value = seen.kind ?? "";
      find("as").value = seen.name ?? "";
      const open = problems.filter(({ field }) => field !== "choice" || chosen || !choices.length);
      const notes = [...open.map(({ text, field }) => ["problem", ["source", "choice"].includes(field) ? text : `${fieldName(field)} ${text}`]), ...warnings.map((text) => ["warning", text])];
      find("notes").hidden = !notes.length;
      find("notes").replaceChildren(...notes.map(([kind, text]) => {
        const note = node("li", "", darkroom.sentence(text));
        note.dataset.kind = kind;
        return note;
      }));
      find("refused").hidden = !refused.length;
      find("refused").querySelector("summary").textContent = `${darkroom.plural(refused.length, "file")} of it ${refused.length === 1 ? "is" : "are"} not fetched`;
      find("refused").querySelector("ul").replaceChildren(...refused.map(({ name, reason }) => node("li", "", `${name}: ${reason}`)));
      find("start").disabled = problems.length > 0;
      find("start").textContent = chosen ? `Download ${amount(seen.size_bytes)}` : "Download";
    }

    const fieldName = (field) => ({ kind: "What it goes with", name: "The name here:", sha256: "The SHA-256" })[field] ?? field;

    function choiceRow({ choice, label, size_bytes: count, problem }, index) {
      const row = node("label", "dk-get-choice");
      const radio = Object.assign(document.createElement("input"), { type: "radio", name: "downloads-choice", id: `downloads-choice-${index}`, checked: choice === seen.choice, disabled: Boolean(problem) });
      radio.addEventListener("change", () => choose({ choice, kind: undefined, name: undefined }));
      row.append(radio, node("span", "dk-get-choice-name", label), node("span", "dk-get-choice-size", problem ? "" : amount(count)));
      if (problem) row.append(node("span", "dk-get-choice-problem", darkroom.sentence(problem)));
      return row;
    }

    function facts() {
      const { guess, licence, gated, size_bytes: count, files, folder, target, free_bytes: free, revision, commit } = seen;
      const terms = licence.name || (seen.hub ? "It does not say: look at its page" : "Not known: look where you have the address from");
      const rows = [["Licence", terms + (gated ? "; its terms have to be accepted on its page" : ""), licence.name && licence.link]];
      if (seen.choice) {
        if (guess) rows.unshift(["What it is", darkroom.sentence(guess).replace(/\.$/, "")]);
        rows.push(["Size", files.length > 1 ? `${amount(count)} in ${files.length} files` : amount(count)]);
        if (folder) rows.push(["Goes to", `${folder}/${target}${files.length > 1 ? "/" : ""}, where ${amount(free)} are free`]);
      }
      if (revision) rows.push(["Revision", `${revision}, ${commit.slice(0, 10)}`]);
      find("facts").replaceChildren(...rows.flatMap(([name, value, link]) => {
        const text = node("dd", "", link ? "" : value);
        if (link) text.append(Object.assign(node("a", "", value), { href: link, target: "_blank", rel: "noopener noreferrer" }));
        return [node("dt", "", name), text];
      }));
    }

    async function start() {
      const body = { ...(seen.wish ?? { source: find("source").value, ...typed }), name: find("as").value, kind: find("kind").value };
      if (!seen.hub) body.sha256 = find("sha256").value;
      busy(true);
      try {
        await darkroom.send("POST", "api/v1/downloads", body);
        dismiss();
        find("source").value = "";
        watch();
      } catch (error) {
        complain(error.message);
        busy(false);
      }
    }

    find("ask").addEventListener("submit", (event) => {
      event.preventDefault();
      [typed, seen] = [{}, null];
      find("seen").hidden = true;
      if (find("source").value.trim()) look();
      else complain("Type the name of a model on the hub, such as stabilityai/sdxl-vae, or paste an address.");
    });
    find("kind").addEventListener("change", (event) => choose({ choice: seen.hub ? seen.choice : undefined, kind: event.target.value }));
    find("as").addEventListener("change", (event) => choose({ choice: seen.hub ? seen.choice : undefined, name: event.target.value }));
    find("start").addEventListener("click", start);
    find("dismiss").addEventListener("click", () => { dismiss(); find("source").focus(); });
    watch();
  };
})();
