"use strict";
// Replaces the beamlines as the server sends them, and shows when it no longer does.
const page = document.getElementById("live");
const connection = document.getElementById("connection");
const lost = document.getElementById("lost");
const limit = 7000; // ms; the server sends the time every 2 s
let heard = Date.now();
let clock = "";

function received(event) {
  heard = Date.now();
  if (event.type === "page") {
    page.innerHTML = event.data;
  } else {
    clock = event.data;
  }
  document.body.classList.remove("old");
  lost.hidden = true;
  connection.textContent = clock ? "Live · " + clock : "Live";
}

const source = new EventSource("events");
source.addEventListener("page", received);
source.addEventListener("tick", received);

setInterval(() => {
  if (Date.now() - heard < limit) {
    return;
  }
  document.body.classList.add("old");
  connection.textContent = "Not connected";
  lost.textContent = "No answer from beamshare" + (clock ? " since " + clock : "") +
    ". Everything below is old. The page connects again by itself.";
  lost.hidden = false;
}, 500);
