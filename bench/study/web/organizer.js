// The organizer's page: live counts.
"use strict";

const EVERY = 5000; // milliseconds

function tell(text) {
  const status = document.getElementById("status");
  status.textContent = text;
  status.className = text ? "error" : "";
}

async function refresh() {
  try {
    const answer = await fetch("state", { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.status);
    const now = await answer.json();
    for (const name of ["finished", "begun", "trials"]) document.getElementById(name).textContent = now[name];
    document.getElementById("closed").textContent = now.closed ? `Closed at ${now.closed}.` : "The study is open.";
    for (const one of now.raters) {
      const row = document.getElementById(`slot-${one.slot}`);
      row.querySelector(".state").textContent = one.state;
      row.querySelector(".done").textContent = one.done;
    }
    tell("");
  } catch {
    tell("The server does not respond; the numbers are old.");
  }
}

setInterval(refresh, EVERY);
