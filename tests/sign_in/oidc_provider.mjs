// A certified OpenID provider (npm's oidc-provider) on a free port of loopback, with one client. Prints its issuer.
// Arguments: the client's id, its secret, how it sends that, and its redirect URI. Any user may sign in, as any name.
import { createServer } from "node:http";

import Provider from "../npm/node_modules/oidc-provider/lib/index.js";

const [id, secret, method, redirect] = process.argv.slice(2);
const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      { client_id: id, client_secret: secret, token_endpoint_auth_method: method, redirect_uris: [redirect] },
    ],
    clientAuthMethods: [method],
    pkce: { required: () => true },
    claims: { openid: ["sub"], profile: ["name"] },
    conformIdTokenClaims: false,
    findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, name: `${sub} of the issuer` }) }),
  });
  server.on("request", provider.callback());
  process.stdout.write(`${issuer}\n`);
});
