// The types that ra-data-postgrest takes from react-admin's core. The core itself would bring React, and runs nothing here.
declare module "ra-core" {
  export type Identifier = string | number;
  export type DataProvider = any;
}
