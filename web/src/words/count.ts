/** Return a count with its noun, for languages that know one and many. */
export const count = (number: number, one: string, many: string): string => `${number} ${number === 1 ? one : many}`;
