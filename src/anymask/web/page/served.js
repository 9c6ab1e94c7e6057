// The page of anymask serve.

import { server } from "./http.js";
import { listenToLeases } from "./lease.js";
import { begin } from "./main.js";

// The address need not show the secret any longer: the cookie holds it.
history.replaceState(null, "", "/");
listenToLeases();
begin(server);
