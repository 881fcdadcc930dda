// The layers of src/README.md, as rules: imports run one way, codecs are pure, nothing goes in circles.
const CODECS =
  '^src/(octets[.]ts$|hpack/|balance/|route/(names|server-names)|listener/(sniff|client-hello)|http1/(parser|known-head|framing|field-block|start-line|line-reader|chunk-lines|octets|text|target|hop-by-hop|reasons|request|response|lengths|websocket)[.]ts$|h2/(keepalive|header-list|frame|frame-reader|frame-writer|header-block|settings|stream-state|flow-control|closed-streams)[.]ts$)';

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
    above('codecs-below-io', CODECS, '^src/(io|health|tunnel|upstream|control|demo)/', 'Codecs know bytes alone.'),
    above(
      'io-is-lowest',
      '^src/io/',
      '^src/(hpack|h2|http1|relay|route|tunnel|balance|health|upstream|listener|control|demo)/',
      'I/O knows no protocol.',
    ),
    above(
      'relay-knows-no-protocol',
      '^src/relay/',
      '^src/(h2|http1|route|tunnel|balance|health|upstream|listener|control|demo)/',
      'Halves only.',
    ),
    above(
      'health-apart',
      '^src/health/',
      '^src/(io|hpack|h2|http1|relay|route|tunnel|balance|upstream|listener|control|demo)/',
      'It asks engines as any client would.',
    ),
    above(
      'h2-below-owners',
      '^src/h2/',
      '^src/(http1|balance|health|route|tunnel|upstream|listener|control|demo)/',
      'A session does not know its owner.',
    ),
    above(
      'http1-below-owners',
      '^src/http1/',
      '^src/(balance|health|route|tunnel|upstream|listener|control|demo)/',
      'Nor does a connection.',
    ),
    above(
      'tunnel-below-owners',
      '^src/tunnel/',
      '^src/(http1|balance|health|route|upstream|listener|control|demo)/',
      'Nor does a tunnel.',
    ),
    above(
      'route-knows-heads-alone',
      '^src/route/',
      '^src/(h2|http1|balance|health|tunnel|upstream|listener|control|demo)/',
      'It looks at heads, and finds engines through CarrierSource.',
    ),
    above(
      'filter-knows-heads-alone',
      '^src/filter/',
      '^src/(io/(connection|output|adopt|dial)|h2|http1|balance|health|tunnel|route|upstream|listener|control|demo)',
      'It looks at heads.',
    ),
    above('upstream-apart', '^src/upstream/', '^src/(route|listener|control|demo)/', 'Reached through CarrierSource.'),
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
      '^src/((io|hpack|h2|http1|relay|tunnel|balance|health|upstream|listener)/|route/(?!(path|harmless-regex|header-edits)[.]))',
      'Stands aside; what is pure in routes says what of them is wrong.',
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
