/** What arguments of -netdev say that is looked at before the network exists. */

/** `-netdev help`: also as `type=help`, whatever follows. */
export function asksForHelp(argument: string): boolean {
  return /^(type=)?(help|\?)(,|$)/.test(argument);
}

/** Members such as `fd` and `fds`, and addresses of the type `fd`. */
export function descriptorsIn(options: object): number[] {
  return Object.entries(options).flatMap(([key, value]: [string, unknown]) => {
    if (typeof value === 'object' && value !== null) return descriptorsIn(value);
    const isDescriptor = /fds?$/.test(key) || (key === 'str' && 'type' in options && options.type === 'fd');
    if (!isDescriptor || typeof value !== 'string') return [];
    return value.split(':').flatMap((word) => (/^\d{1,9}$/.test(word) ? [Number(word)] : []));
  });
}
