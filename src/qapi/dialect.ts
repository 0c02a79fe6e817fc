/**
 * What changed in the language between QEMU releases, as far as a reader notices.
 * `9.0` is the reference of all error texts; the others read the schema files of older and newer trees: `10.0` those of
 * 9.1 to 10.0, `10.1` and `10.2` what their names say.
 */
export type Dialect = '7.2' | '9.0' | '10.0' | '10.1' | '10.2';

export interface DialectRules {
  /** `= Heading` lines: on any line of a free-form block, on its first only, or plain text (from 10.1 on). */
  readonly headings: 'anywhere' | 'first' | 'none';
  /** `Note:`, `Notes:`, `Example:`, `Examples:` open a section; from 9.1 on they are refused. */
  readonly noteSections: boolean;
  /**
   * Before 9.0 section tags and `@name:` count on any line, not only where a paragraph starts, and the text of a section
   * need not be indented: it goes on to the next tag, or to a line at the margin behind a blank one.
   */
  readonly tagsAnywhere: boolean;
  /** Every member needs a description once the definition has documentation (from 9.0 on), as features always do. */
  readonly describeAll: boolean;
  /** `Returns:` only on a command that returns something (from 9.0 on). */
  readonly returnsSomething: boolean;
  /** A plain comment between documentation and definition breaks the link (before 9.1). */
  readonly commentBreaksLink: boolean;
  /** An empty description is named by its kind, `'Member:'`, not as `'@name:'` (from 10.0 on). */
  readonly namesSectionKind: boolean;
  /** Lines of at most 70 columns, two spaces between sentences (from 10.2 on). */
  readonly style: boolean;
  /** Conditional arguments ask for `'boxed': true` (from 8.1 on). */
  readonly boxedConditionals: boolean;
  /** Names of features in a whole schema; 10.0 on numbers them in 64 bits. */
  readonly maxFeatures: number;
}

const RULES_10_0: DialectRules = {
  headings: 'first',
  noteSections: false,
  tagsAnywhere: false,
  describeAll: true,
  returnsSomething: true,
  commentBreaksLink: false,
  namesSectionKind: true,
  style: false,
  boxedConditionals: true,
  maxFeatures: 64,
};

const RULES_10_1: DialectRules = { ...RULES_10_0, headings: 'none' };

export const DIALECTS: Readonly<Record<Dialect, DialectRules>> = {
  '7.2': {
    headings: 'anywhere',
    noteSections: true,
    tagsAnywhere: true,
    describeAll: false,
    returnsSomething: false,
    commentBreaksLink: false,
    namesSectionKind: false,
    style: false,
    boxedConditionals: false,
    maxFeatures: Number.POSITIVE_INFINITY,
  },
  '9.0': {
    headings: 'first',
    noteSections: true,
    tagsAnywhere: false,
    describeAll: true,
    returnsSomething: true,
    commentBreaksLink: true,
    namesSectionKind: false,
    style: false,
    boxedConditionals: true,
    maxFeatures: Number.POSITIVE_INFINITY,
  },
  '10.0': RULES_10_0,
  '10.1': RULES_10_1,
  '10.2': { ...RULES_10_1, style: true },
};
