/**
 * What a guest's packet costs after it was handled, milliseconds of the yard's thread: the socket it opened has events, is
 * read and is closed. Charged to the port the guest comes in by, whose share of time it is (net/turns.ts).
 *
 * Half of what a whole connection, exchange or query takes on two processors, the other half being spent at once.
 */

export const COST_CONNECTION_MS = 0.04;
export const COST_DATAGRAM_SOCKET_MS = 0.04;
export const COST_QUERY_MS = 0.04;
/** A question by ARP, the answer to everybody, and another address if that one is taken. */
export const COST_LEASE_MS = 0.04;
