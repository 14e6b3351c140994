/*
 * An empty ICU data library, as ICU's own `stubdata` is. QEMU's GTK window links libvte, which links ICU to convert the
 * output of programs that write legacy character sets; no such program runs in QEMU's window, and the real data is 32 MB.
 * Built with -DENTRY=icudt<version>_dat.
 */
#include <stdint.h>

struct header {
	uint16_t header_bytes;
	uint8_t magic[2];
	/* UDataInfo: size, reserved, big endian, charset family, size of a character, reserved, format, versions. */
	uint16_t info_bytes, reserved;
	uint8_t big_endian, charset_family, char_bytes, reserved2;
	uint8_t format[4], format_version[4], data_version[4];
	char padding[8];
	/* An empty table of contents. */
	uint32_t count, reserved3;
	int32_t names[4];
};

const struct header ENTRY __attribute__((aligned(16))) = {
	.header_bytes = 32,
	.magic = { 0xda, 0x27 },
	.info_bytes = 20,
	.char_bytes = 2,
	.format = { 'T', 'o', 'C', 'P' },
	.format_version = { 1, 0, 0, 0 },
};
