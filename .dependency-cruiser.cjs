// The layers of src/README.md, as rules: imports run one way, codecs are pure, nothing goes in circles.
const CODECS =
  '^src/(hpack/|balance/|h2/(keepalive|frame|frame-reader|frame-writer|header-block|settings|stream-state|flow-control|closed-streams)[.]ts$)';

/** A layer, and the folders that it must not know. */
const above = (name, path, forbidden, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path },
  to: { path: forbidden },
});

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'Types may refer to each other; modules may not.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'codecs-are-pure',
      comment: 'No sockets, no timers, no other layer.',
      severity: 'error',
      from: { path: CODECS },
      to: { path: '^(node:)?(net|tls|http|http2|timers|fs|dns|child_process)$' },
    },
    above(
      'codecs-below-io',
      CODECS,
      '^src/(io|relay|health|upstream|listener|control|demo)/',
      'Codecs know bytes alone.',
    ),
    above(
      'io-is-lowest',
      '^src/io/',
      '^src/(hpack|h2|relay|balance|health|upstream|listener|control|demo)/',
      'I/O knows no protocol.',
    ),
    above(
      'relay-knows-no-protocol',
      '^src/relay/',
      '^src/(h2|http1|balance|health|upstream|listener|control|demo)/',
      'Halves only.',
    ),
    above(
      'health-apart',
      '^src/health/',
      '^src/(io|hpack|h2|relay|balance|upstream|listener|control|demo)/',
      'It asks engines as any client would.',
    ),
    above(
      'h2-below-owners',
      '^src/h2/',
      '^src/(balance|health|upstream|listener|control|demo)/',
      'A session does not know its owner.',
    ),
    above('upstream-apart', '^src/upstream/', '^src/(listener|control|demo)/', 'Reached through CarrierSource.'),
    above(
      'listener-apart',
      '^src/listener/',
      '^src/(balance|health|upstream|control|demo)/',
      'Finds engines through CarrierSource.',
    ),
    above('data-path-without-control', '^src/gateway[.]ts$', '^src/(control|demo)/', 'Control publishes snapshots.'),
    above(
      'control-without-data-path',
      '^src/control/',
      '^src/(io|hpack|h2|relay|balance|health|upstream|listener)/',
      'Stands aside.',
    ),
    above('product-without-tests', '^src/', '^(test|fixtures|native-bench)/', 'What is shipped stands alone.'),
    {
      name: 'runtime-dependencies-only',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'unknown'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
};
