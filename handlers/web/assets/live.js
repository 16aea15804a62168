// Keeps a page up to date. Where <main> names a stream of events, the page is fetched
// again when one says that something changed, and what differs is changed in place; so
// is a form of method GET that is marked as live, while somebody types. Without script
// one reloads, or presses the form's button.
(() => {
  "use strict";
  const pause = 300; // milliseconds between two looks, at least
  let source, timer, look;

  const begun = new WeakSet(); // forms that somebody has written in

  // keep leaves alone what whoever looks has opened, closed or is writing.
  const keep = {
    beforeAttributeUpdated: (name, node) => !(name === "open" && node.nodeName === "DETAILS"),
    beforeNodeMorphed: (node) => !begun.has(node) && (node !== document.activeElement || !/^(INPUT|TEXTAREA|SELECT)$/.test(node.nodeName)),
  };

  async function fetchPage(address) {
    stop();
    look = new AbortController();
    const { signal } = look;
    const answer = await fetch(address, { headers: { Accept: "text/html" }, credentials: "same-origin", signal });
    const signedOut = answer.redirected && new URL(answer.url).pathname === "/login";
    if (signedOut || answer.status === 404) return location.reload();
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.getElementById("main");
    if (!fresh || signal.aborted) return;
    Idiomorph.morph(document.getElementById("main"), fresh, { ignoreActiveValue: true, callbacks: keep });
    for (const part of ["header", "footer", "nav.tabs"]) {
      const now = document.querySelector("body > " + part), then = page.querySelector("body > " + part);
      if (now && then) Idiomorph.morph(now, then, { callbacks: keep });
    }
    document.title = page.title;
  }

  // stop gives up the look that is due or under way.
  function stop() {
    clearTimeout(timer);
    look?.abort();
  }

  function soon(address) {
    clearTimeout(timer);
    timer = setTimeout(() => fetchPage(address).catch(() => {}), pause);
  }

  function listen() {
    const stream = document.getElementById("main")?.dataset.live;
    if (source) source.close();
    source = undefined;
    if (!stream || document.hidden) return;
    source = new EventSource(stream);
    // The first one too: something may have changed since the page was made.
    source.onmessage = () => soon(location.href);
    source.addEventListener("over", () => { source.close(); soon(location.href); });
  }

  // A form that was sent leaves the page, and may take away what the page is about: until
  // its answer is here, that is not looked at again.
  document.addEventListener("submit", () => { stop(); source?.close(); });
  window.addEventListener("pageshow", (event) => { if (event.persisted) listen(); });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && document.getElementById("main")?.dataset.live) soon(location.href);
    listen();
  });
  document.addEventListener("input", (event) => {
    const form = event.target.form;
    if (!form) return;
    if (!form.hasAttribute("data-live-form")) return begun.add(form);
    const address = new URL(form.action);
    address.search = new URLSearchParams(new FormData(form));
    history.replaceState(null, "", address);
    soon(address);
  });
  listen();
})();
