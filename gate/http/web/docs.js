
"use strict";
(() => {
  const root = document.documentElement;
  const theme = document.getElementById("theme");
  const dark = () =>
    root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const say = () => {
    theme.setAttribute("aria-pressed", String(dark()));
  };
  try {
    const kept = localStorage.getItem("signoff-theme");
    if (kept === "dark" || kept === "light") root.dataset.theme = kept;
  } catch { /* no storage: the system's choice stands */ }
  theme.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    try { localStorage.setItem("signoff-theme", root.dataset.theme); } catch { /* not kept */ }
    say();
  });
  say();

  const find = document.getElementById("find");
  const found = document.getElementById("found");
  const items = [...document.querySelectorAll("nav li")];
  find.addEventListener("input", () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const item of items) {
      item.hidden = !words.every((word) => item.dataset.find.includes(word));
      if (!item.hidden) count += 1;
    }
    for (const section of document.querySelectorAll("nav .section")) {
      section.hidden = !section.querySelector("li:not([hidden])");
    }
    found.textContent = words.length ? `${count} of ${items.length}` : "";
  });
  find.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    const first = items.find((item) => !item.hidden);
    if (first) first.querySelector("a").click();
  });

  for (const button of document.querySelectorAll(".copy")) {
    button.addEventListener("click", async () => {
      const text = button.previousElementSibling.textContent;
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = "Copied";
      } catch {
        const range = document.createRange();
        range.selectNodeContents(button.previousElementSibling);
        getSelection().removeAllRanges();
        getSelection().addRange(range);
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 1600);
    });
  }

  const links = new Map([...document.querySelectorAll("nav a")].map((a) => [a.hash.slice(1), a]));
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const link of links.values()) link.removeAttribute("aria-current");
      const link = links.get(entry.target.id);
      if (link) link.setAttribute("aria-current", "location");
    }
  }, { rootMargin: "-10% 0px -80% 0px" });
  for (const article of document.querySelectorAll("article[id]")) watcher.observe(article);
})();
