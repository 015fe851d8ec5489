/* A timer that goes on in a hidden tab, where a page's own may tick but once a minute.

   Browsers spare a worker's timers. What they freeze altogether (a phone's tab, after a while) stands
   still with it, and where there is no worker to be had the page's own timer has to do. */
"use strict";
(() => {
  const SOURCE = "onmessage = ({ data: [turn, ms] }) => setTimeout(() => postMessage(turn), ms);";
  const waiting = new Map(); // turn -> what is to be done
  let turns = 0;
  let worker = null, failed = false; // made when it is first wanted

  function hands() {
    if (worker || failed) return worker;
    try {
      const address = URL.createObjectURL(new Blob([SOURCE], { type: "text/javascript" }));
      worker = new Worker(address);
      worker.onmessage = ({ data: turn }) => ring(turn);
      worker.onerror = () => { [worker, failed] = [null, true]; for (const turn of [...waiting.keys()]) ring(turn); };
    } catch {
      failed = true;
    }
    return worker;
  }

  function ring(turn) {
    const action = waiting.get(turn);
    waiting.delete(turn);
    action?.();
  }

  /* {start(ms), stop()}: does `action` once after `ms`; started again it begins anew. */
  darkroom.timer = (action) => {
    let turn = 0, own = 0;
    const stop = () => { clearTimeout(own); waiting.delete(turn); };
    return {
      stop,
      start(ms) {
        stop();
        const helper = document.hidden ? hands() : null;
        if (!helper) { own = setTimeout(action, ms); return; }
        turn = turns += 1;
        waiting.set(turn, action);
        helper.postMessage([turn, ms]);
      },
    };
  };
})();
