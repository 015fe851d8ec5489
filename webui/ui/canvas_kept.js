/* Drawings that outlive the page: the picture as it came and each layer as a PNG, in this browser. */
"use strict";
(() => {
  const STORE = "drawings";
  let opened = null;

  function database() {
    opened ??= new Promise((done, failed) => {
      const asked = indexedDB.open("darkroom", 1);
      asked.onupgradeneeded = () => asked.result.createObjectStore(STORE);
      asked.onsuccess = () => done(asked.result);
      asked.onerror = () => failed(asked.error);
    });
    return opened;
  }

  async function ask(mode, act) {
    const store = (await database()).transaction(STORE, mode).objectStore(STORE);
    return new Promise((done, failed) => {
      const asked = act(store);
      store.transaction.oncomplete = () => done(asked.result);
      store.transaction.onerror = store.transaction.onabort = () => failed(store.transaction.error);
    });
  }

  /* Where nothing can be kept (a private window, a full disk) a drawing lasts as long as its page. */
  darkroom.keptDrawing = (name) => ({
    read: () => ask("readonly", (store) => store.get(name)).catch(() => null),
    write: (drawing) => ask("readwrite", (store) => store.put(drawing, name)).then(() => true, () => false),
    remove: () => ask("readwrite", (store) => store.delete(name)).catch(() => null),
  });
})();
