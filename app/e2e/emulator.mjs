// Starts the emulator of GitHub for one test. The first line of standard input
// holds its options; the address of its API is the one line that it prints; it
// ends with standard input, so that it never outlives the test.
//
// The emulator listens on all of the machine's addresses, on a port that it is
// told. Tests want a free port of the loopback interface, so listening is wrapped.
import net from "node:net";
import readline from "node:readline";
import { createEmulator } from "emulate";

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (...args) {
  const ready = args.find((a) => typeof a === "function");
  return listen.call(this, { host: "127.0.0.1", port: 0 }, () => {
    ready?.();
    console.log(`http://127.0.0.1:${this.address().port}`);
  });
};

const input = readline.createInterface({ input: process.stdin });
input.once("line", (options) => createEmulator({ service: "github", port: 0, ...JSON.parse(options) }));
input.once("close", () => process.exit(0));
