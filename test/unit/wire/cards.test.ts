/** Shell, udev and networkd cannot import wire/names.ts: what they repeat is held to it here. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { LINK } from "../../../src/filter/link.ts";
import { CONTROL_CARD, CONTROL_CARD_OPTION, NETWORK_CARD, NETWORK_OPTION } from "../../../src/wire/names.ts";

const asset = (path: string) => readFileSync(join(import.meta.dir, "../../../vm-assets", path), "utf8");
const overlay = (path: string) => asset(`guest/overlay/usr/lib/${path}`);
const init = asset("initramfs/init");

test("the initramfs knows the control card's option, MAC, name and address", () => {
	const { mac, name, address, network } = CONTROL_CARD;
	const prefix = network.slice(network.indexOf("/"));
	expect(init).toContain(` ${CONTROL_CARD_OPTION} `);
	expect(init).toContain(
		`name_card ${mac} ${name} && ip addr add ${address}${prefix} dev ${name} && ip link set ${name} up`,
	);
});

test("and those of the way to the world, with the addresses that the filter and passt go by", () => {
	const { mac, name } = NETWORK_CARD;
	expect(init).toContain(` ${NETWORK_OPTION}=dual `);
	expect(init).toContain(`name_card ${mac} ${name} && ip addr add ${LINK.address}/${LINK.prefixBits} dev ${name} &&`);
	expect(init).toContain(`ip route add default via ${LINK.gateway} dev ${name} `);
	expect(init).toContain(
		`ip -6 addr add ${LINK.address6}/64 dev ${name} && ip -6 route add default via ${LINK.gateway6} `,
	);
	expect(init).toContain(`nameserver ${LINK.dns}\\n`);
});

test("udev starts no network services for them, and networkd leaves them alone", () => {
	const rules = overlay("udev/rules.d/90-virtualghost.rules");
	expect(rules).toContain(`ATTR{address}!="${CONTROL_CARD.mac}"`);
	expect(rules).toContain(`KERNEL!="${NETWORK_CARD.name}"`);
	for (const { mac } of [CONTROL_CARD, NETWORK_CARD]) {
		const network = overlay("systemd/network/10-virtualghost-cards.network");
		expect(network).toMatch(new RegExp(`^PermanentMACAddress=.*${mac}`, "m"));
	}
});
