/** How a program ended, in words. @param status waitpid(2)'s word */
export function programEnd(status: number): string {
  const signal = status & 0x7f;
  return signal === 0 ? `ended with status ${(status >> 8) & 0xff}` : `was killed by signal ${signal}`;
}
