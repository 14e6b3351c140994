/** Keyboard and an absolute pointer (no grab needed). */
export function inputArgv(): string[] {
	return ["-device", "virtio-keyboard-pci", "-device", "virtio-tablet-pci"];
}
