// Knows the workspace as it stands, who you are and where you look; leaves drawing to the others.

import { whenStill } from "/static/press.js";
import { readState } from "/static/wire.js";

export const store = {
  ready: false,
  online: true,
  me: "",
  route: { kind: "channel", channel: "", thread: "", message: "" },
  team: {}, app: {}, emptyText: "",
  users: new Map(), usergroups: new Map(), channels: new Map(),
  messages: new Map(), // channel -> Map(ts -> message)
  stacks: new Map(), homes: new Map(),
  connections: 0, faults: {}, calls: [],
};

const drawers = [];
let scheduled = false;

export function onChange(draw) {
  drawers.push(draw);
}

export function changed() {
  if (scheduled) return;
  scheduled = true;
  whenStill(() => {
    scheduled = false;
    if (store.ready) for (const draw of drawers) draw();
  });
}

const byId = (list) => new Map(list.map((one) => [one.id, one]));

function keepMessage(message) {
  if (!store.messages.has(message.channel)) store.messages.set(message.channel, new Map());
  store.messages.get(message.channel).set(message.ts, message);
}

const HUES = [168, 18, 262, 205, 338, 45, 118, 290, 190, 0];

function takeIn(state) {
  Object.assign(store, {
    ready: true, team: state.team, app: state.app, emptyText: state.empty_text,
    users: byId(state.users), usergroups: byId(state.usergroups), channels: byId(state.channels),
    messages: new Map(), stacks: new Map(Object.entries(state.stacks)),
    homes: new Map(Object.entries(state.homes)), connections: state.connections, faults: state.faults,
  });
  state.messages.forEach(keepMessage);
  [...store.users.values()].forEach((user, at) => { user.hue = HUES[at % HUES.length]; });
  if (!store.users.has(store.me)) store.me = people()[0].id;
}

const reactions = {
  message: (doc) => keepMessage(doc),
  message_deleted: (doc) => store.messages.get(doc.channel)?.delete(doc.ts),
  channel: (doc) => store.channels.set(doc.id, doc),
  user: (doc) => store.users.set(doc.id, { ...doc, hue: store.users.get(doc.id)?.hue }),
  stack: (doc) => store.stacks.set(doc.user, doc.views),
  home: (doc) => store.homes.set(doc.user, doc.view),
  connections: (doc) => { store.connections = doc.count; },
  faults: (doc) => { store.faults = doc; },
  call: (doc) => { store.calls = [...store.calls.slice(-79), { ...doc, at: Date.now() / 1000 }]; },
  app_error: () => {},
};

let source = null;

export async function load() {
  const state = await readState();
  takeIn(state);
  readHash();
  source?.close();
  source = new EventSource(`/sandbox/events?since=${encodeURIComponent(state.position)}`);
  for (const [kind, react] of Object.entries(reactions)) {
    source.addEventListener(kind, (event) => {
      const doc = JSON.parse(event.data);
      react(doc);
      listeners.get(kind)?.forEach((listener) => listener(doc));
      changed();
    });
  }
  source.addEventListener("reset", () => load());
  source.addEventListener("open", () => { store.online = true; changed(); });
  source.addEventListener("error", () => { store.online = false; changed(); });
  changed();
}

const listeners = new Map();

export function onEvent(kind, listener) {
  listeners.set(kind, [...(listeners.get(kind) ?? []), listener]);
}

// -- who and where -------------------------------------------------------------------------------

export const people = () => [...store.users.values()].filter((user) => !user.is_bot);
export const me = () => store.users.get(store.me);
export const dmId = (user = store.me) => `D${user.slice(1)}`;

export function canSee(channel, user = me()) {
  if (channel.dm_with) return channel.dm_with === user.id;
  if (channel.members.includes(user.id)) return true;
  return !channel.is_private && !user.is_restricted && !user.is_ultra_restricted && !user.is_stranger;
}

export const visibleChannels = () =>
  [...store.channels.values()]
    .filter((channel) => !channel.dm_with && canSee(channel))
    .sort((one, other) => one.name.localeCompare(other.name));

// A thread's parent names itself as its thread; only the others are replies.
export const isReply = (message) => Boolean(message.thread_ts) && message.thread_ts !== message.ts;

export function messagesIn(channelId, user = store.me) {
  return [...(store.messages.get(channelId)?.values() ?? [])]
    .filter((message) => !message.visible_to || message.visible_to === user)
    .sort((one, other) => (one.ts < other.ts ? -1 : 1));
}

export function linkTo({ as = store.me, kind = "channel", channel = "", thread = "", message = "" }) {
  if (kind === "home") return `#/as/${as}/home`;
  const tail = (thread ? `/t/${thread}` : "") + (message ? `/m/${message}` : "");
  return `#/as/${as}/c/${channel}${tail}`;
}

export function go(where) {
  const link = linkTo(where);
  if (location.hash === link) readHash();
  else location.hash = link;
}

export function readHash() {
  const parts = location.hash.replace(/^#\/?/, "").split("/").filter(Boolean);
  const before = { ...store.route, me: store.me };
  const route = { kind: "", channel: "", thread: "", message: "" };
  for (let at = 0; at < parts.length; at += 1) {
    if (parts[at] === "as" && store.users.has(parts[at + 1])) store.me = parts[(at += 1)];
    else if (parts[at] === "home") route.kind = "home";
    else if (parts[at] === "c") [route.kind, route.channel] = ["channel", parts[(at += 1)] ?? ""];
    else if (parts[at] === "t") route.thread = parts[(at += 1)] ?? "";
    else if (parts[at] === "m") route.message = parts[(at += 1)] ?? "";
  }
  const known = store.channels.get(route.channel);
  const reachable = known ? canSee(known) : route.channel === dmId();
  if (route.kind !== "home" && !reachable) {
    Object.assign(route, { kind: "channel", channel: visibleChannels()[0]?.id ?? dmId(), thread: "", message: "" });
  }
  store.route = route;
  const link = linkTo(route);
  if (location.hash !== link) history.replaceState(null, "", link);
  for (const listener of listeners.get("route") ?? []) listener(route, before);
  changed();
}

export function switchTo(user) {
  const { kind, channel, thread } = store.route;
  const known = store.channels.get(channel);
  const target = store.users.get(user);
  if (kind === "channel" && known && !known.dm_with && canSee(known, target)) go({ as: user, channel, thread });
  else if (kind === "home") go({ as: user, kind: "home" });
  else if (known?.dm_with || channel.startsWith("D")) go({ as: user, channel: dmId(user) });
  else location.hash = `#/as/${user}`;
}

// -- what was read -------------------------------------------------------------------------------

const READ_KEY = "sandbox-read";
let read = {};
try {
  read = JSON.parse(localStorage.getItem(READ_KEY) ?? "{}");
} catch { /* a browser that keeps nothing: everything counts from now */ }
const opened = String(Date.now() / 1000);

export function markRead(channel, user = store.me) {
  const last = messagesIn(channel, user).at(-1)?.ts ?? opened;
  if (read[`${user}:${channel}`] === last) return;
  read[`${user}:${channel}`] = last;
  try {
    localStorage.setItem(READ_KEY, JSON.stringify(read));
  } catch { /* as above */ }
}

export function unreadIn(channel, user = store.me) {
  const since = read[`${user}:${channel}`] ?? opened;
  return messagesIn(channel, user).filter(
    (message) => message.ts > since && message.user !== user && (!isReply(message) || message.visible_to),
  ).length;
}

// What calls for this person: direct messages, ephemerals and mentions they have not seen.
export function callsFor(user) {
  let count = unreadIn(dmId(user), user);
  for (const channel of store.channels.values()) {
    if (channel.dm_with || !canSee(channel, store.users.get(user))) continue;
    const since = read[`${user}:${channel.id}`] ?? opened;
    count += messagesIn(channel.id, user).filter(
      (message) => message.ts > since && (message.visible_to === user || message.text.includes(`<@${user}>`)),
    ).length;
  }
  return count;
}
