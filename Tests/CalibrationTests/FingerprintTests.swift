import Testing

@testable import Calibration

@Suite("Calibration fingerprint")
struct FingerprintTests {
    /// A change of one byte in one file, and a byte that moves from one file to the next, give another fingerprint.
    @Test func changesWithEveryByte() {
        let whole = CalibrationFingerprint.of([[1, 2], [3], []])
        #expect(whole == CalibrationFingerprint.of([[1, 2], [3], []]))
        #expect(whole != CalibrationFingerprint.of([[1, 2], [4], []]))
        #expect(whole != CalibrationFingerprint.of([[1], [2, 3], []]))
        #expect(whole != CalibrationFingerprint.of([[1, 2, 3], [], []]))
        #expect(CalibrationFingerprint.shipped.count == 16)
    }
}
