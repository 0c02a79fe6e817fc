/** `netyard/qmp` on Node: the client of src/qmp, whose connect() here opens sockets too. */
export * from '../qmp/client.ts';
export { connect } from './qmp-connect.ts';
