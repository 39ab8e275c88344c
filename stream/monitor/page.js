"use strict";
(() => {
  let failedSince = null;
  const update = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(location.href, {cache: "no-store"});
      const next = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("main");
      if (!next) throw new Error("no page");
      const main = document.getElementById("main");
      const places = [...main.querySelectorAll(".wide")].map((e) => [e.getAttribute("aria-label"), e.scrollLeft]);
      const focused = document.activeElement && document.activeElement.getAttribute("aria-label");
      main.replaceWith(next);
      document.title = next.dataset.title;
      for (const e of next.querySelectorAll(".wide")) {
        for (const [label, left] of places) if (label === e.getAttribute("aria-label")) e.scrollLeft = left;
        if (focused && focused === e.getAttribute("aria-label")) e.focus();
      }
      failedSince = null;
    } catch (e) {
      failedSince = failedSince || new Date();
      document.getElementById("old").textContent = "; the process does not answer since " + failedSince.toISOString().slice(11, 19) + " UTC";
    }
  };
  setInterval(update, 5000);
  document.addEventListener("visibilitychange", update);
})();
