// expect: biome plugin
export const pick = (): number => Math.random();
