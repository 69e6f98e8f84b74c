// Knows how a person writes: messages, and the app's slash command with its hint.

import { el, icon } from "/static/dom.js";
import { store } from "/static/store.js";
import { toast } from "/static/toasts.js";
import { act } from "/static/wire.js";

export function composer({ label, channel, thread }) {
  const { command, command_hint: hint } = store.app;
  const words = hint.split("|").map((word) => word.trim()).filter(Boolean);
  const help = el("div", { class: "command-hint", id: `hint-${thread || "main"}`, hidden: true });
  const field = el("textarea", {
    rows: 1, class: "composer-field", "aria-label": label, placeholder: thread ? "Reply…" : `${label} — or try ${command}`,
    "aria-describedby": help.id, dataset: { composer: thread ? "thread" : "channel" },
  });
  const send = el("button", { type: "submit", class: "icon-button send", "aria-label": "Send" }, icon("send"));
  const form = el("form", { class: "composer" }, help, el("div", { class: "composer-row" }, field, send));

  const fit = () => {
    field.style.height = "auto";
    field.style.height = `${Math.min(field.scrollHeight, 160)}px`;
    const typed = field.value;
    const offers = typed.startsWith("/") && !thread && (command.startsWith(typed.split(" ")[0]));
    help.hidden = !offers;
    if (!offers) return;
    const rest = typed.slice(command.length).trim();
    const choices = words.filter((word) => word.startsWith(rest));
    help.replaceChildren(
      el("div", { class: "command-title" }, el("code", {}, command), ` asks ${store.app.name}. Tab completes.`),
      el("div", { class: "command-words" }, ...choices.map((word) => el("button", {
        type: "button", class: "chip", onclick: () => {
          field.value = `${command} ${word}`;
          fit();
          field.focus();
        },
      }, word))));
  };
  field.addEventListener("input", fit);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    } else if (event.key === "Tab" && !event.shiftKey && !help.hidden) {
      const rest = field.value.startsWith(command) ? field.value.slice(command.length).trim() : "";
      const match = words.find((word) => word.startsWith(rest) && word !== rest);
      const next = rest || field.value.startsWith(`${command} `) ? match && `${command} ${match}` : `${command} `;
      if (next && next !== field.value) {
        event.preventDefault();
        field.value = next;
        fit();
      }
    } else if (event.key === "Escape" && !help.hidden) {
      event.stopPropagation();
      help.hidden = true;
    }
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = field.value.trim();
    if (!text || field.getAttribute("aria-busy") === "true") return;
    field.value = "";
    fit();
    field.setAttribute("aria-busy", "true");
    const isCommand = text.startsWith("/") && !thread;
    const escaped = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
    const reply = isCommand
      ? await act("command", { user: store.me, channel, text })
      : await act("say", { user: store.me, channel, text: escaped, ...(thread ? { thread_ts: thread } : {}) });
    field.removeAttribute("aria-busy");
    if (!reply.ok) {
      toast(reply.notice || "That could not be sent.");
      if (!field.value) field.value = text;
      fit();
    }
  });
  return form;
}
