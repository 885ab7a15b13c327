import Cluster
import Quantities

/// What drivers and tables call a device, in the catalogue's words.
enum DeviceNames {
    private static let known = [
        "nvidia a100-sxm4-80gb": "a100-sxm-80gb", "nvidia a100-sxm4-40gb": "a100-sxm-40gb", "nvidia a100-pcie-40gb": "a100-pcie-40gb",
        "nvidia a100 80gb pcie": "a100-pcie-80gb", "a100 pcie": "a100-pcie-80gb", "a100": "a100-sxm-80gb", "a100_sxm": "a100-sxm-80gb",
        "a100-sxm 80gb": "a100-sxm-80gb", "nvidia h100 80gb hbm3": "h100-sxm-80gb", "h100": "h100-sxm-80gb", "h100_sxm": "h100-sxm-80gb",
        "h100-sxm 80gb": "h100-sxm-80gb", "nvidia h100 pcie": "h100-pcie-80gb", "h800 sxm5": "h800-sxm-80gb",
        "nvidia h200": "h200-sxm-141gb", "h200": "h200-sxm-141gb", "h20": "h20-sxm-96gb", "nvidia h20": "h20-sxm-96gb",
        "nvidia b200": "b200-sxm-180gb", "b200": "b200-sxm-180gb", "nvidia gb200": "gb200-186gb", "gb200": "gb200-186gb",
        "nvidia gb300": "gb300-288gb", "nvidia b300": "b300-sxm-288gb", "nvidia l40s": "l40s-48gb", "nvidia l4": "l4-24gb",
        "tesla v100-sxm2-16gb": "v100-sxm-16gb", "tesla v100-sxm2-32gb": "v100-sxm-32gb", "tesla p100-sxm2-16gb": "p100-sxm-16gb",
        "nvidia geforce rtx 4090": "rtx4090-24gb", "nvidia geforce rtx 3090": "rtx3090-24gb", "amd instinct mi300x": "mi300x-192gb",
    ]

    /// The catalogue's name; else the given one in lower case with dashes for what is no letter, digit or point.
    static func canonical(_ name: String) -> String {
        let lower = name.lowercased()
        if let found = known[lower] { return found }
        let words = lower.split { !($0.isLetter || $0.isNumber || $0 == ".") }
        return words.joined(separator: "-")
    }
}
