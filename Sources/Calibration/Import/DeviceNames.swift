import Cluster
import Quantities

/// What drivers and tables call a device, in the catalogue's words.
enum DeviceNames {
    /// In lower case, without the maker's name: drivers before 470 print none.
    private static let known = [
        "a100-sxm4-80gb": "a100-sxm-80gb", "a100-sxm4-40gb": "a100-sxm-40gb", "a100-sxm-64gb": "a100-sxm-80gb",
        "a100-pcie-40gb": "a100-pcie-40gb", "a100 80gb pcie": "a100-pcie-80gb", "a100 pcie": "a100-pcie-80gb", "a100": "a100-sxm-80gb",
        "a100_sxm": "a100-sxm-80gb", "a100-sxm 80gb": "a100-sxm-80gb", "a100-sxm-80gb": "a100-sxm-80gb", "a800-sxm4-80gb": "a800-sxm-80gb",
        "h100 80gb hbm3": "h100-sxm-80gb", "h100 sxm5 80gb": "h100-sxm-80gb", "h100": "h100-sxm-80gb", "h100_sxm": "h100-sxm-80gb",
        "h100-sxm 80gb": "h100-sxm-80gb", "h100 pcie": "h100-pcie-80gb", "h100 nvl": "h100-nvl-94gb", "h800": "h800-sxm-80gb",
        "h800 sxm5": "h800-sxm-80gb", "h200": "h200-sxm-141gb", "h20": "h20-sxm-96gb", "b200": "b200-sxm-180gb", "gb200": "gb200-186gb",
        "gb300": "gb300-288gb", "b300": "b300-sxm-288gb", "b300 sxm6 ac": "b300-sxm-288gb", "l40s": "l40s-48gb", "l40": "l40-48gb",
        "l4": "l4-24gb", "t4": "t4-16gb", "a10": "a10-24gb", "a10g": "a10g-24gb", "rtx a6000": "a6000-48gb", "a40": "a40-48gb",
        "rtx 6000 ada generation": "rtx6000ada-48gb", "rtx pro 6000 blackwell server edition": "rtxpro6000-96gb",
        "rtx pro 6000 blackwell workstation edition": "rtxpro6000-96gb", "v100-sxm2-16gb": "v100-sxm-16gb",
        "v100-sxm2-32gb": "v100-sxm-32gb", "v100-sxm3-32gb": "v100-sxm-32gb", "p100-sxm2-16gb": "p100-sxm-16gb",
        "geforce rtx 5090": "rtx5090-32gb", "geforce rtx 4090": "rtx4090-24gb", "geforce rtx 3090": "rtx3090-24gb",
        "instinct mi300x": "mi300x-192gb", "instinct mi325x": "mi325x-256gb", "instinct mi355x": "mi355x-288gb",
        "instinct mi350x": "mi350x-288gb", "instinct mi250x": "mi250x-128gb",
    ]

    /// The catalogue's name; else the given one in lower case with dashes for what is no letter, digit or point.
    static func canonical(_ name: String) -> String {
        let words = name.lowercased().split(separator: " ")
        let lower = words.drop { ["nvidia", "amd", "tesla", "graphics", "device"].contains($0) }.joined(separator: " ")
        if let found = known[lower] { return found }
        return lower.split { !($0.isLetter || $0.isNumber || $0 == ".") }.joined(separator: "-")
    }

    /// What to say of a name that no scenario can use.
    static func remark(on device: String) -> String? {
        guard let names = try? Catalogue.acceleratorNames(), !names.contains(device) else { return nil }
        let close = nearest(device, in: names).map { "--device \($0)" } ?? "--device with a name of `orrery catalogue gpus`"
        return "the device \"\(device)\" is not in the catalogue: scenarios will not find these measurements; give \(close)"
    }
}
