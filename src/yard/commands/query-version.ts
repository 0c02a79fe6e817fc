import type { VersionInfo } from '../../qmp/index.ts';
import type { Yard } from '../yard.ts';

export function queryVersion(yard: Yard): VersionInfo {
  return yard.version;
}
