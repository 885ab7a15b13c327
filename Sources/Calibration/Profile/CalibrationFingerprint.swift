/// Tells one calibration from another.
public enum CalibrationFingerprint {
    /// FNV-1a, 64 bits, of the constants, the behaviour of stacks and the fitted profiles that ship with the program, as 16 hexadecimal digits.
    public static let shipped = of([PackageResources.constants_yaml, PackageResources.stacks_yaml, PackageResources.profiles_yaml])

    /// - Parameter files: contents; where one ends and the next begins counts as well.
    static func of(_ files: [[UInt8]]) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        func add(_ byte: UInt8) { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        for file in files {
            for byte in file { add(byte) }
            for shift in stride(from: 0, to: 64, by: 8) { add(UInt8(truncatingIfNeeded: file.count >> shift)) }
        }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
