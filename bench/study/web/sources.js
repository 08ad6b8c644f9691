// Where a rater's answers go: to the server, or into this browser and then into a signed file.
"use strict";

class Server {
  async texts() { return this.ask("texts"); }
  async state() { return this.ask("state"); }
  async consent(facts) { return this.ask("consent", { agreed: true, facts }); }
  async vote(trial, grades, seconds) { return this.ask("vote", { trial: trial.id, grades, seconds }); }

  async ask(name, content) {
    const how = content === undefined ? { cache: "no-store" } : {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(content),
    };
    const answer = await fetch(name, how).catch(() => { throw new Error("The server does not respond."); });
    const found = await answer.json().catch(() => ({}));
    if (!answer.ok) throw Object.assign(new Error(found.error || `The server answered ${answer.status}.`), found);
    return found;
  }
}

// Stores answers in this browser, and exports them as a file signed with the invitation's key.
class Folder {
  async texts() {
    this.token = decodeURIComponent(location.hash.slice(1));
    if (!this.token) throw new Error("Open the whole link of your invitation; its end is missing.");
    if (!window.isSecureContext) throw new Error("This page works only over https.");
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(this.token)));
    this.name = hex(hash).slice(0, 32);
    const answer = await fetch(`raters/${this.name}.json`).catch(() => null);
    if (!answer || !answer.ok) throw new Error("This invitation is unknown.");
    this.plan = await answer.json();
    this.kept = { consented: null, facts: {}, votes: [], ...JSON.parse(localStorage.getItem(this.key()) || "{}") };
    return this.plan.texts;
  }

  key() { return `study ${this.plan.study} ${this.name}`; }
  keep() { localStorage.setItem(this.key(), JSON.stringify(this.kept)); }

  async state() {
    const { trials } = this.plan, done = this.kept.votes.length;
    const open = this.kept.consented !== null;
    return {
      consented: open, closed: false, done, total: trials.length, finished: done === trials.length,
      trial: open ? trials[done] || null : null, next: open ? trials[done + 1] || null : null,
    };
  }

  async consent(facts) {
    Object.assign(this.kept, { consented: new Date().toISOString(), facts });
    this.keep();
    return this.state();
  }

  async vote(trial, grades, seconds) {
    this.kept.votes.push({ trial: trial.id, grades, seconds, time: new Date().toISOString() });
    this.keep();
    return this.state();
  }

  async file() {
    const payload = JSON.stringify({ study: this.plan.study, slot: this.plan.slot, ...this.kept });
    const bytes = new TextEncoder();
    const how = { name: "HMAC", hash: "SHA-256" };
    const key = await crypto.subtle.importKey("raw", bytes.encode(this.token), how, false, ["sign"]);
    const signature = hex(new Uint8Array(await crypto.subtle.sign("HMAC", key, bytes.encode(payload))));
    const whole = { format: this.plan.format, payload, signature };
    return new File([JSON.stringify(whole, null, 1)], `answers-${this.name.slice(0, 8)}.json`, { type: "application/json" });
  }
}

function hex(bytes) { return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(""); }
