/**
 * What changed in the language between QEMU releases, as far as a reader notices.
 * `9.0` is the reference of all error texts; `7.2` and `10.2` read the schema files of older and newer trees.
 */
export type Dialect = '7.2' | '9.0' | '10.2';

export interface DialectRules {
  /** `= Heading` lines: alone at the start of a free-form block, an error elsewhere. Plain text from 10.1 on. */
  readonly headings: boolean;
  /** `Note:`, `Notes:`, `Example:`, `Examples:` open a section; from 9.1 on they are refused. */
  readonly noteSections: boolean;
  /** Section tags and `@name:` count on any line, not only where a paragraph starts (before 9.0). */
  readonly tagsAnywhere: boolean;
  /** Every member and feature needs a description once the definition has documentation (from 9.0 on). */
  readonly describeAll: boolean;
  /** A plain comment between documentation and definition breaks the link (before 9.1). */
  readonly commentBreaksLink: boolean;
  /** An empty description is named by its kind, `'Member:'`, not as `'@name:'` (from 10.0 on). */
  readonly namesSectionKind: boolean;
  /** Lines of at most 70 columns, two spaces between sentences (from 10.2 on). */
  readonly style: boolean;
  /** Conditional arguments ask for `'boxed': true` (from 8.1 on). */
  readonly boxedConditionals: boolean;
}

export const DIALECTS: Readonly<Record<Dialect, DialectRules>> = {
  '7.2': {
    headings: true,
    noteSections: true,
    tagsAnywhere: true,
    describeAll: false,
    commentBreaksLink: false,
    namesSectionKind: false,
    style: false,
    boxedConditionals: false,
  },
  '9.0': {
    headings: true,
    noteSections: true,
    tagsAnywhere: false,
    describeAll: true,
    commentBreaksLink: true,
    namesSectionKind: false,
    style: false,
    boxedConditionals: true,
  },
  '10.2': {
    headings: false,
    noteSections: false,
    tagsAnywhere: false,
    describeAll: true,
    commentBreaksLink: false,
    namesSectionKind: true,
    style: true,
    boxedConditionals: true,
  },
};
