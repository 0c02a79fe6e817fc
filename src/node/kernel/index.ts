export { NativeKernel } from './kernel.ts';
