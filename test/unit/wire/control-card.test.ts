/** Shell, udev and networkd cannot import wire/names.ts: what they repeat is held to it here. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CONTROL_CARD, CONTROL_CARD_OPTION } from "../../../src/wire/names.ts";

const asset = (path: string) => readFileSync(join(import.meta.dir, "../../../vm-assets", path), "utf8");
const overlay = (path: string) => asset(`guest/overlay/usr/lib/${path}`);

test("the initramfs knows the card's option, MAC, name and address", () => {
	const init = asset("initramfs/init");
	const { mac, name, address, network } = CONTROL_CARD;
	const prefix = network.slice(network.indexOf("/"));
	expect(init).toContain(` ${CONTROL_CARD_OPTION} `);
	expect(init).toContain(`[ "$mac" = ${mac} ]`);
	expect(init).toContain(`name ${name} && ip addr add ${address}${prefix} dev ${name} && ip link set ${name} up`);
});

test("udev starts no network services for it, and networkd leaves it alone", () => {
	expect(overlay("udev/rules.d/90-virtualghost.rules")).toContain(`ATTR{address}!="${CONTROL_CARD.mac}"`);
	expect(overlay("systemd/network/10-virtualghost-control.network")).toContain(`MACAddress=${CONTROL_CARD.mac}\n`);
});
