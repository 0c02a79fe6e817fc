// expect: biome plugin
export const before = (sndSeq: number, rcvAck: number): boolean => sndSeq < rcvAck;
