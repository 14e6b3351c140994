import { expect, test } from "bun:test";
import { passtArgv } from "../../../src/plan/passt.ts";

const internet = { mode: "internet", allow: [], deny: [] } as const;
const words = (...args: Parameters<typeof passtArgv>) => passtArgv(...args).join(" ");

test("passt leads to nothing of the host's but its resolver", () => {
	expect(words(internet, { ipv6: true, resolver: "127.0.0.53" })).toBe(
		"--foreground --fd 3 --dns 10.0.2.3 --dns-forward 10.0.2.3 --dns-host 127.0.0.53 --search none" +
			" --address 10.0.2.15 --netmask 24 --gateway 10.0.2.2 --address fd76:6768:6f73::15 --gateway fd76:6768:6f73::2 --no-map-gw",
	);
	expect(words(internet, { ipv6: false, resolver: null })).toBe(
		"--foreground --fd 3 --dns 10.0.2.3 --search none" +
			" --address 10.0.2.15 --netmask 24 --gateway 10.0.2.2 --ipv4-only --interface lo --no-map-gw",
	);
});

test("the gateway is the host's loopback where that was asked for", () => {
	const facts = { ipv6: true, resolver: null };
	const both = " --map-host-loopback 10.0.2.2 --map-host-loopback fd76:6768:6f73::2";
	expect(words({ ...internet, mode: "host" }, facts)).toEndWith(both);
	expect(words({ ...internet, allow: ["127.0.0.1:80"] }, facts)).toEndWith(both);
	expect(words({ ...internet, allow: ["0.0.0.0/0"], deny: ["127.0.0.1"] }, facts)).toEndWith(" --no-map-gw");
});
