/* Asks back whether it is meant. */
"use strict";
/* Returns `confirm(text, yes, action)`, which does it after a second click; Escape means no. */
darkroom.askBack = (root, enqueue) => {
  const find = (id) => root.querySelector("#" + id);
  let confirmed = null, asker = null;

  function answer(yes) {
    find("queue-ask").hidden = true;
    (asker?.isConnected && asker.getClientRects().length ? asker : find("queue-fold")).focus({ preventScroll: true });
    if (yes) enqueue(confirmed);
  }

  find("queue-ask-yes").addEventListener("click", () => answer(true));
  find("queue-ask-no").addEventListener("click", () => answer(false));
  find("queue-ask").addEventListener("keydown", (event) => { if (event.key === "Escape") answer(false); });

  return (text, yes, action) => {
    confirmed = action;
    asker = document.activeElement;
    find("queue-ask-text").textContent = text;
    find("queue-ask-yes").textContent = yes;
    find("queue-ask").hidden = false;
    find("queue-ask-no").focus({ preventScroll: true });
  };
};
