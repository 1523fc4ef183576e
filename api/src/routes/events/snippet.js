// Tells the shop what shoppers do: `entrepot.consent(true)`, then `entrepot.tell("view", { product_id })`.
// First party, without cookies: a visit is an id in this tab's session storage. Without consent, or where the browser
// says "do not", nothing is stored and nothing is sent.
(() => {
  const address = new URL("api/v1/events", document.currentScript.src).href;
  const most = 500;
  const waiting = [];
  let consented = false;
  let timer;

  const refused = () => navigator.globalPrivacyControl === true || navigator.doNotTrack === "1";
  const allowed = () => consented && !refused();
  const session = () => {
    let id = sessionStorage.getItem("entrepot.visit");
    if (!id) sessionStorage.setItem("entrepot.visit", (id = crypto.randomUUID()));
    return id;
  };
  const body = (events) => JSON.stringify({ sent_at: new Date().toISOString(), events });

  const send = async () => {
    clearTimeout(timer);
    timer = undefined;
    if (!allowed()) return;
    const events = waiting.splice(0, most);
    if (!events.length) return;
    try {
      const headers = { "content-type": "application/json" };
      const answer = await fetch(address, { method: "POST", headers, body: body(events), keepalive: events.length < 50 });
      // Another try does not help what is refused.
      if (answer.status === 429 || answer.status >= 500) throw new Error(answer.status);
      if (waiting.length) later(100);
    } catch {
      if (!allowed()) return;
      // The newest stay, and keep their ids: what arrived twice counts once.
      waiting.unshift(...events);
      waiting.splice(0, waiting.length - most);
      later(5000);
    }
  };
  const later = (delay) => (timer ??= setTimeout(send, delay));

  addEventListener("pagehide", () => {
    const events = waiting.splice(0, 100);
    if (events.length && allowed()) navigator.sendBeacon(address, new Blob([body(events)], { type: "application/json" }));
  });

  window.entrepot = {
    visit: () => (allowed() ? session() : undefined),
    consent(given) {
      consented = given === true;
      if (consented) return;
      waiting.length = 0;
      sessionStorage.removeItem("entrepot.visit");
    },
    tell(kind, about = {}) {
      if (!allowed()) return;
      const event_id = crypto.randomUUID();
      waiting.push({ ...about, event_id, kind, session_id: session(), occurred_at: new Date().toISOString() });
      later(1000);
    },
  };
})();
