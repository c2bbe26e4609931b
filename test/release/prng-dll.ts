// Wine 8 lacks bcryptprimitives.dll, which every Bun for Windows asks for its one function. This writes a library without any
// code: a table that sends ProcessPrng on to advapi32's SystemFunction036, which takes the same two arguments and does the same
// work. Layout: Microsoft's PE format, "Export Address Table", forwarder RVAs.

const FILE_ALIGNMENT = 0x200;
const SECTION_RVA = 0x1000;
const OPTIONAL_HEADER = 88;
const DATA_DIRECTORIES = OPTIONAL_HEADER + 112;
const SECTION_HEADER = OPTIONAL_HEADER + 240;

/** Gives the library's bytes, for 64-bit x86. */
export function prngDll(): Buffer {
  const exports = exportTable("bcryptprimitives.dll", "ProcessPrng", "advapi32.SystemFunction036");
  const file = Buffer.alloc(FILE_ALIGNMENT * 2);
  file.write("MZ", 0);
  file.writeUInt32LE(64, 60);
  file.write("PE\u0000\u0000", 64);
  file.writeUInt16LE(0x8664, 68);
  file.writeUInt16LE(1, 70);
  file.writeUInt16LE(240, 84);
  const dllForLargeAddresses = 0x2022;
  file.writeUInt16LE(dllForLargeAddresses, 86);
  file.writeUInt16LE(0x20b, OPTIONAL_HEADER);
  file.writeBigUInt64LE(0x1_8000_0000n, OPTIONAL_HEADER + 24);
  file.writeUInt32LE(0x1000, OPTIONAL_HEADER + 32);
  file.writeUInt32LE(FILE_ALIGNMENT, OPTIONAL_HEADER + 36);
  file.writeUInt16LE(6, OPTIONAL_HEADER + 40);
  file.writeUInt16LE(6, OPTIONAL_HEADER + 48);
  file.writeUInt32LE(SECTION_RVA * 2, OPTIONAL_HEADER + 56);
  file.writeUInt32LE(FILE_ALIGNMENT, OPTIONAL_HEADER + 60);
  file.writeUInt16LE(2, OPTIONAL_HEADER + 68);
  file.writeUInt16LE(0x100, OPTIONAL_HEADER + 70);
  file.writeUInt32LE(16, OPTIONAL_HEADER + 108);
  file.writeUInt32LE(SECTION_RVA, DATA_DIRECTORIES);
  file.writeUInt32LE(exports.length, DATA_DIRECTORIES + 4);
  file.write(".edata", SECTION_HEADER);
  for (const [i, word] of [exports.length, SECTION_RVA, FILE_ALIGNMENT, FILE_ALIGNMENT].entries())
    file.writeUInt32LE(word, SECTION_HEADER + 8 + 4 * i);
  const readableData = 0x40000040;
  file.writeUInt32LE(readableData, SECTION_HEADER + 36);
  exports.copy(file, FILE_ALIGNMENT);
  return file;
}

function exportTable(library: string, name: string, forwardedTo: string): Buffer {
  const tables = 40;
  const strings = tables + 12;
  const table = Buffer.alloc(strings);
  const texts = [library, name, forwardedTo].map((text) => Buffer.from(`${text}\u0000`));
  const [libraryAt = 0, nameAt = 0, forwardAt = 0] = texts.map(
    (_, i) => SECTION_RVA + strings + Buffer.concat(texts.slice(0, i)).length,
  );
  table.writeUInt32LE(libraryAt, 12);
  for (const [i, word] of [1, 1, 1, SECTION_RVA + tables, SECTION_RVA + tables + 4, SECTION_RVA + tables + 8].entries())
    table.writeUInt32LE(word, 16 + 4 * i);
  table.writeUInt32LE(forwardAt, tables);
  table.writeUInt32LE(nameAt, tables + 4);
  return Buffer.concat([table, ...texts]);
}
