/* Generate waits until what one has drawn is with the server; a program's click on the button comes this
   way too. */
"use strict";
(() => {
  const drawings = {}; // tab -> {isSent(), send()}, which throws an Error with a sentence
  let passing = false;

  darkroom.sendFirst = (tab, drawing) => { drawings[tab] = drawing; };

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.(".dk-generate");
    const tab = button?.id.replace(/_generate$/, ""), drawing = drawings[tab];
    if (!drawing || passing || drawing.isSent()) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    button.setAttribute("aria-busy", "true");
    drawing.send().then(() => pass(button), (error) => {
      darkroom.complain({ text: error.message, label: "", element: `${tab}_image` }, tab);
    }).finally(() => button.removeAttribute("aria-busy"));
  }, true);

  /* A moment later: Gradio has taken the values over then. */
  function pass(button) {
    setTimeout(() => {
      passing = true;
      button.click();
      passing = false;
    }, 0);
  }
})();
