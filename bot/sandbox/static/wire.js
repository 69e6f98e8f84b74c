// Knows the requests this page sends; leaves what comes of them to the store.

async function post(path, body) {
  try {
    const response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    return await response.json();
  } catch {
    return { ok: false, error: "unreachable", notice: "The sandbox is not running.", errors: {} };
  }
}

export const act = (name, details) => post("/sandbox/act", { act: name, ...details });
export const setFault = (name, details = {}) => post("/sandbox/faults", { set: name, ...details });
export const changeUser = (id, changes) => post(`/sandbox/users/${encodeURIComponent(id)}`, changes);

export async function readState() {
  const response = await fetch("/sandbox/state");
  return response.json();
}

export async function readCalls() {
  const response = await fetch("/sandbox/calls");
  return (await response.json()).calls;
}
