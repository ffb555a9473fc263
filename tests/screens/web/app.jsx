// One .bob of screens/phoebus in Diamond's web runtime: app.html?NAME. Without a PV web socket, so that every value is missing.
import { EmbeddedDisplay, RelativePosition, ensureWidgetsRegistered, store } from "@diamondlightsource/cs-web-lib";
import React from "react";
import { createRoot } from "react-dom/client";
import { Provider } from "react-redux";
import { MemoryRouter } from "react-router-dom";

ensureWidgetsRegistered();
const file = {
  path: `/phoebus/${window.location.search.slice(1)}.bob`,
  macros: { P: "test:", R: "Share:", U: "test:TomoScan:" },
  defaultProtocol: "ca",
};
const config = { PVWS_SOCKET: undefined, PVWS_SSL: false, THROTTLE_PERIOD: 100 };
createRoot(document.getElementById("root")).render(
  <Provider store={store(config)}>
    <MemoryRouter>
      <EmbeddedDisplay position={new RelativePosition()} file={file} />
    </MemoryRouter>
  </Provider>,
);
