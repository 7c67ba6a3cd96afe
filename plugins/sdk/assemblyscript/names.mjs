// A transform for `asc`: gives the exports the names of the contract, which are no identifiers of the language.

const CONTRACT = /^(detector|correlator)_(\w+)$/;

export default class ContractNames {
  afterCompile(module) {
    for (let i = module.getNumExports() - 1; i >= 0; i--) {
      const found = this.binaryen.getExportInfo(module.getExportByIndex(i));
      const [, face, name] = CONTRACT.exec(found.name) ?? [];
      if (face === undefined) continue;
      module.removeExport(found.name);
      module.addFunctionExport(found.value, `orion:plugin/${face}@1.0.0#${name.replaceAll("_", "-")}`);
    }
  }
}
