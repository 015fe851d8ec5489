/* What is asked of the server. Nothing here waits for ever: an answer that does not come is none. */
"use strict";
(() => {
  const NEVER = "The server does not answer.";
  const fieldName = (field) => darkroom.fieldOf?.(field)?.label ?? field;

  /* {status, said}: the answer's JSON, null if it has none; status 0 if there is no answer. */
  darkroom.ask = async (address, { seconds = 20, ...options } = {}) => {
    try {
      const answer = await fetch(address, { cache: "no-store", signal: AbortSignal.timeout(1000 * seconds), ...options });
      return { status: answer.status, said: await answer.json().catch(() => null) };
    } catch {
      return { status: 0, said: null };
    }
  };

  /* The answer's JSON. Throws an Error with the server's own sentence, `field` if one is to blame. */
  darkroom.send = async (method, address, body, seconds) => {
    const { status, said } = await darkroom.ask(address, {
      seconds,
      method, headers: { "Content-Type": "application/json" },
      body: method === "GET" ? undefined : JSON.stringify(body ?? {}),
    });
    if (status >= 200 && status < 300) return said;
    const { text = status ? `the server answered ${status}` : NEVER, field = null } = said?.error ?? {};
    throw Object.assign(new Error(darkroom.sentence(field ? `${fieldName(field)} ${text}` : text)), { field });
  };

  darkroom.queueAsk = (method, address, body) => darkroom.send(method, `api/v1/${address}`, body);
})();
