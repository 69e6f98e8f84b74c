// Knows Slack's mrkdwn and rich text and turns both into nodes; every piece of text ends as text.

import { el } from "/static/dom.js";
import { EMOJI } from "/static/emoji.js";
import { me, store } from "/static/store.js";

const unescape = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

function safeLink(url, ...label) {
  const address = unescape(url);
  if (!/^(https?:|mailto:)/i.test(address)) return el("span", {}, ...(label.length ? label : [address]));
  return el("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, ...(label.length ? label : [address]));
}

function mention(kind, id, label) {
  if (kind === "user") {
    const user = store.users.get(id);
    const mine = id === store.me ? " mine" : "";
    return el("span", { class: `mention${mine}`, dataset: { user: id } }, `@${user ? user.real_name : label || id}`);
  }
  if (kind === "group") {
    const group = store.usergroups.get(id);
    const mine = group?.members.includes(store.me) ? " mine" : "";
    return el("span", { class: `mention${mine}` }, `@${(group?.handle ?? label ?? id).replace(/^@/, "")}`);
  }
  if (kind === "channel") {
    const channel = store.channels.get(id);
    return el("a", { class: "mention", href: `#/as/${store.me}/c/${id}` }, `#${channel ? channel.name : label || id}`);
  }
  return el("span", { class: "mention mine" }, `@${id}`);
}

// -- dates ---------------------------------------------------------------------------------------

function inZone(seconds, options) {
  const date = new Date(seconds * 1000);
  try {
    return new Intl.DateTimeFormat("en-GB", { timeZone: me()?.tz, ...options }).format(date);
  } catch {
    return new Intl.DateTimeFormat("en-GB", options).format(date);
  }
}

export const clockTime = (ts) => inZone(Number(ts), { hour: "2-digit", minute: "2-digit" });
export const dayOf = (ts) => inZone(Number(ts), { weekday: "long", day: "numeric", month: "long" });
export const fullTime = (ts) => inZone(Number(ts), { dateStyle: "full", timeStyle: "medium" });

function pretty(seconds, otherwise) {
  const days = [[0, "today"], [-86400, "yesterday"], [86400, "tomorrow"]];
  const now = Date.now() / 1000;
  for (const [offset, word] of days) if (dayOf(seconds) === dayOf(now + offset)) return word;
  return otherwise;
}

export function ago(seconds) {
  const past = Math.round(Date.now() / 1000 - seconds);
  const size = Math.abs(past);
  if (size < 45) return "just now";
  const [count, unit] = size < 3600 ? [Math.round(size / 60), " min"]
    : size < 86400 ? [Math.round(size / 3600), " h"] : [Math.round(size / 86400), " d"];
  return past >= 0 ? `${count}${unit} ago` : `in ${count}${unit}`;
}

function formatDate(seconds, format) {
  const long = inZone(seconds, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
  const plain = inZone(seconds, { day: "numeric", month: "long", year: "numeric" });
  const short = inZone(seconds, { day: "numeric", month: "short", year: "numeric" });
  const pieces = {
    date_num: inZone(seconds, { year: "numeric", month: "2-digit", day: "2-digit" }).split("/").reverse().join("-"),
    date_slash: inZone(seconds, { year: "numeric", month: "2-digit", day: "2-digit" }),
    date: plain, date_short: short, date_long: long, day_divider_pretty: pretty(seconds, long),
    date_pretty: pretty(seconds, plain), date_short_pretty: pretty(seconds, short), date_long_pretty: pretty(seconds, long),
    time: inZone(seconds, { hour: "2-digit", minute: "2-digit" }),
    time_secs: inZone(seconds, { hour: "2-digit", minute: "2-digit", second: "2-digit" }),
    ago: ago(seconds),
  };
  return format.replace(/\{(\w+)\}/g, (whole, name) => pieces[name] ?? whole);
}

// -- mrkdwn --------------------------------------------------------------------------------------

function special(inner) {
  const [target, ...rest] = inner.split("|");
  const label = rest.length ? unescape(rest.join("|")) : "";
  if (target.startsWith("@")) return mention("user", target.slice(1), label);
  if (target.startsWith("#")) return mention("channel", target.slice(1), label);
  if (target.startsWith("!date^")) {
    const [, seconds, format, link] = target.split("^");
    const when = Number(seconds);
    if (!Number.isFinite(when)) return label || target;
    const node = el("time", { datetime: new Date(when * 1000).toISOString(), title: fullTime(when) }, formatDate(when, format));
    return link ? safeLink(link, node) : node;
  }
  if (target.startsWith("!subteam^")) return mention("group", target.slice(9), label);
  if (target.startsWith("!")) return mention("all", target.slice(1));
  return safeLink(target, ...(label ? [label] : []));
}

const INLINE = new RegExp(
  [
    "`([^`\\n]+)`",
    "<([^<>\\n]+)>",
    ":([a-z0-9_+-]+):",
    "(?<![\\w*])\\*(?=\\S)([^*\\n]*?[^*\\s])\\*(?![\\w*])",
    "(?<![\\w_])_(?=\\S)([^_\\n]*?[^_\\s])_(?![\\w_])",
    "(?<![\\w~])~(?=\\S)([^~\\n]*?[^~\\s])~(?![\\w~])",
  ].join("|"),
);

function inline(text) {
  const nodes = [];
  let rest = text;
  while (rest) {
    const found = INLINE.exec(rest);
    if (!found) {
      nodes.push(unescape(rest));
      break;
    }
    if (found.index) nodes.push(unescape(rest.slice(0, found.index)));
    const [whole, code, angle, name, bold, italic, strike] = found;
    if (code !== undefined) nodes.push(el("code", {}, unescape(code)));
    else if (angle !== undefined) nodes.push(special(angle));
    else if (name !== undefined) nodes.push(emoji(name));
    else if (bold !== undefined) nodes.push(el("strong", {}, ...inline(bold)));
    else if (italic !== undefined) nodes.push(el("em", {}, ...inline(italic)));
    else nodes.push(el("s", {}, ...inline(strike)));
    rest = rest.slice(found.index + whole.length);
  }
  return nodes;
}

function emoji(name) {
  const sign = EMOJI[name.replace(/::skin-tone-\d/, "")];
  return sign ? el("span", { class: "emoji", role: "img", "aria-label": name.replaceAll("_", " ") }, sign) : `:${name}:`;
}

function lines(text) {
  const nodes = [];
  let quote = null;
  const rows = text.split("\n");
  rows.forEach((row, index) => {
    const quoted = /^(?:&gt;|>)\s?(.*)$/.exec(row);
    if (quoted) {
      if (quote) quote.append(el("br"));
      else nodes.push((quote = el("blockquote")));
      quote.append(...inline(quoted[1]));
      return;
    }
    if (index > 0 && !quote) nodes.push(el("br"));
    quote = null;
    nodes.push(...inline(row));
  });
  return nodes;
}

export function mrkdwn(text) {
  return text.split(/```/).flatMap((piece, index, all) => {
    const closed = index % 2 === 1 && index < all.length - 1;
    if (closed) return [el("pre", { tabindex: "0" }, unescape(piece.replace(/^\n/, "")))];
    return lines(index % 2 === 1 ? "```" + piece : piece.replace(index > 0 ? /^\n/ : /$^/, ""));
  });
}

export function plainText(text, withEmoji = true) {
  if (!withEmoji) return [text];
  return text.split(/:([a-z0-9_+-]+):/).map((piece, index) => (index % 2 ? emoji(piece) : piece));
}

export const textNodes = (object) =>
  object.type === "mrkdwn" ? mrkdwn(object.text) : plainText(object.text, object.emoji !== false);

// -- rich text -----------------------------------------------------------------------------------

function styled(node, style = {}) {
  const wrap = { bold: "strong", italic: "em", strike: "s", code: "code", underline: "u" };
  return Object.entries(wrap).reduce((inner, [name, tag]) => (style[name] ? el(tag, {}, inner) : inner), node);
}

function richInline(element) {
  const makers = {
    text: () => element.text,
    link: () => safeLink(element.url, ...(element.text ? [element.text] : [])),
    user: () => mention("user", element.user_id),
    usergroup: () => mention("group", element.usergroup_id),
    channel: () => mention("channel", element.channel_id),
    emoji: () => emoji(element.name),
    broadcast: () => mention("all", element.range),
    date: () => el("time", { title: fullTime(element.timestamp) }, formatDate(element.timestamp, element.format)),
    color: () => el("code", {}, element.value),
  };
  return styled(makers[element.type]?.() ?? "", element.style);
}

const richElements = (part) => part.elements.map(richInline);

export function richText(block) {
  const makers = {
    rich_text_section: (part) => el("p", { class: "rich" }, ...richElements(part)),
    rich_text_preformatted: (part) => el("pre", { tabindex: "0" }, ...richElements(part)),
    rich_text_quote: (part) => el("blockquote", {}, ...richElements(part)),
    rich_text_list: (part) => {
      const list = el(part.style === "ordered" ? "ol" : "ul", { class: "rich-list" });
      if (part.offset) list.start = part.offset + 1;
      list.style.marginInlineStart = `${(part.indent ?? 0) * 1.4}rem`;
      list.append(...part.elements.map((item) => el("li", {}, ...richElements(item))));
      return list;
    },
  };
  return block.elements.map((part) => makers[part.type]?.(part) ?? "");
}
