import { expect, test } from "bun:test";
import { parseUevents } from "../../../agent/uevents.ts";

test("fields of each of several events in one read", () => {
	const text = [
		"change@/devices/pci0000:00/0000:00:02.0/virtio0/drm/card0",
		"ACTION=change",
		"SUBSYSTEM=drm",
		"HOTPLUG=1",
		"add@/devices/virtual/net/lo",
		"ACTION=add",
		"SUBSYSTEM=net",
		"",
	].join("\0");
	expect(parseUevents(Buffer.from(text)).map((fields) => Object.fromEntries(fields))).toEqual([
		{ ACTION: "change", SUBSYSTEM: "drm", HOTPLUG: "1" },
		{ ACTION: "add", SUBSYSTEM: "net" },
	]);
});

test("bytes that are none give none", () => {
	expect(parseUevents(Buffer.from("libudev\0\xfe\xed\0A=b", "latin1"))).toEqual([]);
	expect(parseUevents(Buffer.alloc(0))).toEqual([]);
});
