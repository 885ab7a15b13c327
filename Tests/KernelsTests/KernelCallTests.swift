import Kernels
import Testing

@Suite struct KernelCallTests {
    /// 2 x 3 x 4 = 24 multiply-adds; 4 bytes of 2 x 4 + 4 x 3 + 2 x 3 elements.
    @Test func matrixProductByHand() throws {
        let call = try KernelCall(.gemmNT, [2, 3, 4])
        #expect(call.flops == 48 && call.bytes == 104)
        #expect(call.description == "gemm_nt(m=2 n=3 k=4)")
    }
}
